import { describe, expect, it } from 'vitest';
import type { ResultRow, SearchPage, SearchRequest } from '../src/bindings';
import { PAGE, Rows } from '../src/lib/rows.svelte';
import { emptySearch } from '../src/lib/search';

/** An archive of `n` results, newest first, unevenly spread over time, that counts what it is asked. */
function archive(n: number, spread: (i: number) => number) {
  const times = Array.from({ length: n }, (_, i) => spread(i));
  let asked = 0;
  const search = async (request: SearchRequest): Promise<SearchPage> => {
    asked += 1;
    const before = request.to ? Date.parse(request.to) : Infinity;
    let low = 0;
    for (let high = n; low < high; ) {
      const middle = (low + high) >> 1;
      if ((times[middle] as number) < before) high = middle;
      else low = middle + 1;
    }
    const begin = request.cursor ? Number(request.cursor) : low;
    const end = Math.min(begin + (request.limit ?? 50), n);
    const results = times.slice(begin, end).map((at, i) => ({ archive_id: String(begin + i), start: new Date(at).toISOString() }) as ResultRow);
    return { total: n - low, total_is_exact: true, results, next_cursor: end < n ? String(end) : null };
  };
  return { search, asked: () => asked };
}

const base = emptySearch();
const END = Date.UTC(2025, 0, 1);

async function open(n: number, spread: (i: number) => number) {
  const a = archive(n, spread);
  const first = await a.search({ ...base, limit: PAGE });
  return { rows: new Rows(base, first, a.search), asked: a.asked };
}

describe('rows', () => {
  it('reads on by the cursor', async () => {
    const { rows, asked } = await open(1000, (i) => END - i * 1000);
    await rows.load(PAGE, PAGE + 10);
    expect(rows.get(PAGE + 9)?.archive_id).toBe(String(PAGE + 9));
    expect(asked()).toBe(2);
  });

  it('jumps into the middle of a million in a few searches', async () => {
    const { rows, asked } = await open(1_000_000, (i) => END - i * 60_000);
    await rows.load(500_000, 500_050);
    for (const i of [500_000, 500_025, 500_049]) expect(rows.get(i)?.archive_id).toBe(String(i));
    expect(asked()).toBeLessThan(15);
  });

  it('jumps where the times are anything but even, and to both ends', async () => {
    // A burst of a thousand in one minute, then nothing for a month, again and again.
    const { rows, asked } = await open(200_000, (i) => END - Math.floor(i / 1000) * 30 * 86_400_000 - (i % 1000) * 60);
    for (const i of [199_990, 100_001, 0, 150_500]) {
      await rows.load(i, i + 10);
      for (let k = i; k < i + 10; k += 1) expect(rows.get(k)?.archive_id).toBe(String(k));
    }
    expect(asked()).toBeLessThan(60);
  });

  it('finds its way among many results of one and the same instant', async () => {
    const { rows } = await open(5000, () => END);
    await rows.load(4000, 4010);
    expect(rows.get(4005)?.archive_id).toBe('4005');
  });

  it('lists the ids of a range that is not here', async () => {
    const { rows } = await open(10_000, (i) => END - i * 1000);
    const ids = await rows.ids(3000, 3700);
    expect(ids).toHaveLength(700);
    expect(ids[0]).toBe('3000');
    expect(ids.at(-1)).toBe('3699');
  });

  it('keeps what it holds bounded, and reads it again when asked', async () => {
    const { rows } = await open(60_000, (i) => END - i * 1000);
    for (let i = 0; i < 60_000; i += PAGE) await rows.load(i, i + PAGE);
    expect(rows.has(0, 10)).toBe(false);
    await rows.load(0, 10);
    expect(rows.get(5)?.archive_id).toBe('5');
  });

  it('reads on and guesses nothing where there are at least so many', async () => {
    const a = archive(5_000, (i) => END - i * 1000);
    const first = await a.search({ ...base, limit: PAGE });
    const asked: (string | null)[] = [];
    const rows = new Rows(base, { ...first, total: 1_000, total_is_exact: false }, (request) => {
      asked.push(request.to);
      return a.search(request);
    });
    await rows.load(900, 5_000);
    expect(rows.get(999)?.archive_id).toBe('999');
    expect(asked.every((to) => to === null)).toBe(true);
    expect(rows.exact).toBe(false);
  });

  it('does not turn in a circle when the archive shrank under it', async () => {
    const a = archive(100, (i) => END - i * 1000);
    const first = await a.search({ ...base, limit: 50 });
    const rows = new Rows(base, { ...first, total: 120 }, a.search);
    await rows.load(90, 120);
    expect(rows.get(99)?.archive_id).toBe('99');
    expect(rows.get(110)).toBeUndefined();
    expect(a.asked()).toBeLessThan(20);
  });
});

describe('rows with counts by year', () => {
  it('begins its guesses from them, and does without where they are not complete', async () => {
    const spread = (i: number): number => END - 1 - i * 600_000;
    for (const complete of [true, false]) {
      const a = archive(300_000, spread);
      const counts = new Map<string, number>();
      for (let i = 0; i < 300_000; i += 1) {
        const year = String(new Date(spread(i)).getUTCFullYear());
        counts.set(year, (counts.get(year) ?? 0) + 1);
      }
      if (!complete) counts.delete('2022');
      const year = [...counts].map(([value, count]) => ({ value, count }));
      const first = { ...(await a.search({ ...base, limit: PAGE })), facets: { year } as never };
      const rows = new Rows(base, first, a.search);
      await rows.load(200_000, 200_010);
      expect(rows.get(200_005)?.archive_id).toBe('200005');
      expect(a.asked()).toBeLessThan(complete ? 8 : 16);
    }
  });

  it('grows by its end where the index counts within bounds, over pages on which nothing matched', async () => {
    const N = 730;
    const search = async (request: SearchRequest): Promise<SearchPage> => {
      // Every other call went through as many as it may and found nothing.
      const [at = 0, empty = 0] = (request.cursor ?? '0/0').split('/').map(Number);
      if (at > 0 && empty === 0) return { total: 300, total_is_exact: false, results: [], next_cursor: `${at}/1` };
      const end = Math.min(at + (request.limit ?? 50), N);
      const results = Array.from({ length: end - at }, (_, i) => ({ archive_id: String(at + i), start: new Date(END - (at + i) * 1000).toISOString() }) as ResultRow);
      return { total: 300, total_is_exact: false, results, next_cursor: end < N ? `${end}/0` : null };
    };
    const first = await search({ ...base, limit: PAGE });
    const rows = new Rows(base, first, search);
    expect([rows.total, rows.exact]).toEqual([300, false]);
    for (let guard = 0; !rows.exact && guard < 20; guard += 1) await rows.load(rows.total - 10, rows.total);
    expect([rows.total, rows.exact]).toEqual([N, true]);
    expect(await rows.ids(0, N)).toEqual(Array.from({ length: N }, (_, i) => String(i)));
  });
});
