import { describe, expect, it } from 'vitest';
import { clock, groups, money, plural, size, span, time, until, word } from '../src/lib/format';

describe('format', () => {
  it('shows money as exactly as it is charged', () => {
    expect(money('0.000000', 'USD')).toBe('USD 0');
    expect(money('12.400000', 'USD')).toBe('USD 12.40');
    expect(money('0.015300', 'USD')).toBe('USD 0.0153');
    expect(money('1234567.000000', 'EUR')).toBe('EUR 1,234,567.00');
    expect(money('5', 'USD')).toBe('USD 5.00');
  });

  it('counts down in two units', () => {
    const now = Date.UTC(2026, 0, 1);
    expect(until(new Date(now + 11_520_000).toISOString(), now)).toBe('in 3 h 12 min');
    expect(until(new Date(now - 2 * 86_400_000).toISOString(), now)).toBe('2 days ago');
    expect(until(null, now)).toBe('');
    expect(span(45_000)).toBe('45 s');
    expect(span(61_000)).toBe('1 min 1 s');
    expect(span(40 * 86_400_000)).toBe('40 days');
  });

  it('writes lengths, sizes and counts', () => {
    expect(clock(3_723_000)).toBe('1:02:03');
    expect(clock(null)).toBe('–');
    expect(size(0)).toBe('0 bytes');
    expect(size(1_430_000)).toBe('1.4 MB');
    expect(plural(1, 'recording')).toBe('1 recording');
    expect(plural(2000, 'recording')).toBe('2,000 recordings');
  });

  it('writes times in the zone asked for, and unreadable ones as they are', () => {
    expect(time('2024-03-12T14:05:09Z', 'utc', true)).toBe('12 Mar 2024, 14:05:09');
    expect(time('soon')).toBe('soon');
  });

  it('has words for people', () => {
    expect(word('offline')).toBe('In cold storage');
    expect(word('truncation_detected')).toBe('Truncation detected');
    expect(groups('0123456789abcdef')).toBe('01234567 89abcdef');
  });
});
