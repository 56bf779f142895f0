import type { CustodyRow } from '../bindings';

export interface Folded {
  /** The outcome where there is one, else the intent or fact itself. */
  row: CustodyRow;
  /** Sequence of the intent that this outcome answers. */
  began: number | null;
}

/**
 * Joins each outcome with the intent before it, in order, oldest first. An intent without an outcome stays as it is: that
 * something was begun and never concluded is worth seeing.
 */
export function fold(rows: CustodyRow[]): Folded[] {
  const out: Folded[] = [];
  for (const row of rows) {
    if (row.phase !== 'outcome') {
      out.push({ row, began: null });
      continue;
    }
    const i = out.findLastIndex((f) => f.row.phase === 'intent' && f.row.action === row.action && f.row.matter === row.matter);
    const intent = out[i]?.row;
    if (intent) out.splice(i, 1);
    out.push({ row: { ...row, reason: row.reason ?? intent?.reason ?? null }, began: intent?.sequence ?? null });
  }
  return out;
}
