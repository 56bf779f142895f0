import { describe, expect, it } from 'vitest';
import type { CustodyRow } from '../src/bindings';
import { fold } from '../src/lib/custody';

const row = (sequence: number, phase: string, action: string, more: Partial<CustodyRow> = {}): CustodyRow => ({
  sequence, phase, action, time: '', sentence: '', person: '', role: '', cloud_identity: null, matter: null, reason: null, outcome: phase === 'outcome' ? 'succeeded' : null, ...more,
});

describe('custody timeline', () => {
  it('joins an outcome with its intent and keeps the reason', () => {
    const folded = fold([row(1, 'fact', 'accession'), row(2, 'intent', 'playback', { reason: 'review' }), row(3, 'outcome', 'playback')]);
    expect(folded.map((f) => [f.row.sequence, f.began])).toEqual([[1, null], [3, 2]]);
    expect(folded[1]?.row.reason).toBe('review');
  });

  it('shows an intent that was never concluded', () => {
    const folded = fold([row(1, 'intent', 'download'), row(2, 'intent', 'playback'), row(3, 'outcome', 'playback')]);
    expect(folded.map((f) => [f.row.sequence, f.row.phase])).toEqual([[1, 'intent'], [3, 'outcome']]);
  });

  it('does not join across matters', () => {
    const folded = fold([row(1, 'intent', 'download', { matter: 'A' }), row(2, 'outcome', 'download', { matter: 'B' })]);
    expect(folded).toHaveLength(2);
  });
});
