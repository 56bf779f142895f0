import { describe, expect, it } from 'vitest';
import { CAP, clamp, physicalPx, reveal, toReal, toScroll } from '../src/lib/scroll';

const million = { rows: 1_000_000, rowPx: 44, viewPx: 700 };
const few = { rows: 100, rowPx: 44, viewPx: 700 };

describe('scroll', () => {
  it('never asks a browser for more height than it can give', () => {
    expect(physicalPx(million)).toBe(CAP);
    expect(physicalPx(few)).toBe(4400);
  });

  it('reaches the first and the last row exactly', () => {
    expect(toReal(million, 0)).toBe(0);
    expect(toReal(million, CAP - 700)).toBe(44_000_000 - 700);
    expect(toScroll(million, 44_000_000 - 700)).toBe(CAP - 700);
  });

  it('is the identity where nothing need be scaled', () => {
    expect(toReal(few, 123)).toBe(123);
    expect(toScroll(few, 123)).toBe(123);
  });

  it('moves only as far as needed to show a row', () => {
    expect(reveal(few, 0, 3)).toBe(0);
    expect(reveal(few, 440, 3)).toBe(132);
    expect(reveal(few, 0, 20)).toBe(21 * 44 - 700);
    expect(clamp(few, 99_999)).toBe(4400 - 700);
  });
});
