// A million results behind a cursor that only knows "next".
//
// Scrolling on is easy: the last page's cursor gives the next page. A jump (the scrollbar dragged to the middle) would have to
// read everything in between. But results are sorted by time, newest first, and every answer says how many match in all. So a
// search narrowed to "before T" tells exactly where T stands: position = total - total(before T). A few guesses at T, each
// between two known positions, land within a page or two of the wanted one, whatever the number of results.
//
// An index in a cloud counts within bounds only ("at least 1,000"). Then nothing can be jumped to: the list is as long as what is
// known to be there, is read on by the cursor, and grows when its end is reached.
import type { FacetCounts, ResultRow, SearchPage, SearchRequest } from '../bindings';

/** Where reading can begin: the row at `index` is the first that this request returns. */
interface Entry {
  index: number;
  request: SearchRequest;
}

/** A known position and its time. */
interface Mark {
  index: number;
  at: number;
}

export const PAGE = 200;
const NEAR = 3 * PAGE;
const KEEP = 6000;
const GUESSES = 16;
/** Pages without a match that are read in one go before somebody must scroll again. */
const EMPTY_PAGES = 20;

export class Rows {
  /** How many rows the list has: all that match where `exact`, else those known so far. */
  total = $state(0);
  /** Whether nothing matches beyond `total`. */
  exact = $state(true);
  #base: SearchRequest;
  #search: (request: SearchRequest) => Promise<SearchPage>;
  #rows = new Map<number, ResultRow>();
  #entries: Entry[] = [];
  #marks: Mark[];
  #turn: Promise<unknown> = Promise.resolve();
  /** Whether totals are exact, so that times can be turned into positions. */
  #jumps: boolean;

  constructor(base: SearchRequest, first: SearchPage, search: (request: SearchRequest) => Promise<SearchPage>) {
    this.total = Math.max(first.total, first.results.length);
    this.exact = first.total_is_exact;
    this.#jumps = first.total_is_exact;
    this.#base = { ...base, facets: false, limit: PAGE, cursor: null };
    this.#search = search;
    this.#marks = years(first.facets?.year ?? [], first.total);
    this.#entries.push({ index: 0, request: this.#base });
    this.#take(0, this.#base, first);
  }

  get(index: number): ResultRow | undefined {
    return this.#rows.get(index);
  }

  /** Whether all of [from, to) is here. */
  has(from: number, to: number): boolean {
    return this.#missing(from, to) === undefined;
  }

  /** Brings [from, to) here. Calls wait for each other; `wanted` is asked again when its turn comes. */
  load(from: number, to: number, wanted: () => boolean = () => true): Promise<void> {
    const turn = this.#turn.then(() => (wanted() ? this.#load(Math.max(0, from), Math.min(to, this.total)) : undefined));
    this.#turn = turn.catch(() => undefined);
    return turn;
  }

  /** The archive ids of [from, to), whether they are here or not. */
  async ids(from: number, to: number): Promise<string[]> {
    const ids: string[] = [];
    for (let at = from; at < to; at += PAGE) {
      const end = Math.min(at + PAGE, to);
      await this.load(at, end);
      for (let i = at; i < end; i += 1) {
        const row = this.#rows.get(i);
        if (row) ids.push(row.archive_id);
      }
    }
    return ids;
  }

  async #load(from: number, to: number): Promise<void> {
    let stuck = 0;
    for (let missing = this.#missing(from, to); missing !== undefined && stuck < 2; missing = this.#missing(from, to)) {
      const entry = await this.#entryNear(missing);
      let { index, request } = entry;
      while (index <= missing) {
        const page = await this.#search(request);
        const next = this.#take(index, request, page);
        if (!next) break;
        ({ index, request } = next);
      }
      // The archive may have changed under the search: never turn in a circle.
      stuck = this.#missing(from, to) === missing ? stuck + 1 : 0;
    }
    if (!this.exact && to >= this.total) await this.#grow();
    this.#forget(from, to);
  }

  /** Reads on from the last known row, over pages on which nothing matched, until there are more rows or no more pages. */
  async #grow(): Promise<void> {
    for (let pages = 0; pages < EMPTY_PAGES; pages += 1) {
      const { index, request } = this.#best(this.total);
      const page = await this.#search(request);
      const next = this.#take(index, request, page);
      const known = index + page.results.length;
      const before = this.total;
      this.total = Math.max(before, known);
      this.exact = next === undefined;
      if (this.exact || this.total > before) break;
    }
  }

  /** The best known place to begin reading towards `index`, found by guessing times where none is near. */
  async #entryNear(index: number): Promise<Entry> {
    let best = this.#best(index);
    for (let guess = 0; this.#jumps && guess < GUESSES && index - best.index > NEAR; guess += 1) {
      const before = this.#timeBefore(index - PAGE, guess);
      if (before === undefined) break;
      const request = { ...this.#base, to: new Date(before).toISOString() };
      const page = await this.#search(request);
      const position = this.total - page.total;
      this.#mark(position, before);
      if (position > best.index || position <= index) {
        this.#entries.push({ index: position, request });
        this.#take(position, request, page);
      }
      best = this.#best(index);
    }
    return best;
  }

  #best(index: number): Entry {
    let best = this.#entries[0] as Entry;
    for (const entry of this.#entries) if (entry.index <= index && entry.index > best.index) best = entry;
    return best;
  }

  /** A time that should stand at `index`: between the two nearest known ones, in the middle every other time. */
  #timeBefore(index: number, guess: number): number | undefined {
    let above: Mark | undefined;
    let below: Mark | undefined;
    for (const mark of this.#marks) {
      if (mark.index <= index) {
        if (!above || mark.index > above.index || (mark.index === above.index && mark.at < above.at)) above = mark;
      } else if (!below || mark.index < below.index || (mark.index === below.index && mark.at > below.at)) below = mark;
    }
    if (!above || !below || above.at - below.at < 2) return undefined;
    const share = guess % 2 === 1 ? 0.5 : (index - above.index) / (below.index - above.index);
    return Math.round(above.at + (below.at - above.at) * share);
  }

  #take(index: number, request: SearchRequest, page: SearchPage): Entry | undefined {
    page.results.forEach((row, i) => this.#rows.set(index + i, row));
    const last = page.results.at(-1);
    const first = page.results[0];
    if (first) this.#mark(index, Date.parse(first.start));
    if (last) this.#mark(index + page.results.length - 1, Date.parse(last.start));
    if (!page.next_cursor || (this.#jumps && page.results.length === 0)) return undefined;
    const next = { index: index + page.results.length, request: { ...request, cursor: page.next_cursor } };
    const same = this.#entries.findIndex((e) => e.index === next.index);
    // After an empty page reading goes on behind it, not before it again.
    if (same < 0) this.#entries.push(next);
    else if (page.results.length === 0) this.#entries[same] = next;
    return next;
  }

  #mark(index: number, at: number): void {
    if (!Number.isNaN(at)) this.#marks.push({ index, at });
  }

  #missing(from: number, to: number): number | undefined {
    for (let i = from; i < Math.min(to, this.total); i += 1) if (!this.#rows.has(i)) return i;
    return undefined;
  }

  #forget(from: number, to: number): void {
    if (this.#rows.size <= KEEP) return;
    for (const index of this.#rows.keys()) {
      if (index < from - KEEP / 3 || index > to + KEEP / 3) this.#rows.delete(index);
    }
  }
}

/**
 * Positions of the turns of the years, from the facet counts; and for both ends bounds that nothing lies beyond. Counts that do
 * not add up to the total (more years than facets are given) say nothing certain and are left out.
 */
function years(counts: FacetCounts['year'], total: number): Mark[] {
  const byYear = counts.map((c) => ({ year: Number(c.value), count: c.count })).sort((a, b) => b.year - a.year);
  const complete = byYear.reduce((n, c) => n + c.count, 0) === total && byYear.every((c) => Number.isInteger(c.year));
  const newest = complete ? byYear[0]?.year : undefined;
  const oldest = complete ? byYear.at(-1)?.year : undefined;
  const marks: Mark[] = [{ index: 0, at: Date.UTC((newest ?? 2200) + 1, 0, 1) }];
  let index = 0;
  for (const { year, count } of complete ? byYear.slice(0, -1) : []) {
    index += count;
    marks.push({ index, at: Date.UTC(year, 0, 1) });
  }
  marks.push({ index: total, at: Date.UTC(oldest ?? 1900, 0, 1) });
  return marks;
}
