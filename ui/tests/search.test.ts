import { describe, expect, it } from 'vitest';
import { emptySearch, fromAddress, toAddress } from '../src/lib/search';

describe('search address', () => {
  it('goes there and back', () => {
    const request = { ...emptySearch(), text: 'refund & "late fee"', queue: 'Billing', year: 2024 };
    expect(fromAddress(new URLSearchParams(toAddress(request)))).toEqual(request);
  });

  it('leaves out what is empty, and what is no year', () => {
    expect(toAddress(emptySearch())).toBe('');
    expect(fromAddress(new URLSearchParams('text=%20&year=soon&unknown=1'))).toEqual(emptySearch());
  });
});
