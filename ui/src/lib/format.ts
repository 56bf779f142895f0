// Numbers and times for people. Always the same language, so that two people who read the same screen read the same words.
const LANGUAGE = 'en-GB';

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

export type Zone = 'local' | 'utc';

const dateTime = new Map<string, Intl.DateTimeFormat>();

function formatter(zone: Zone, seconds: boolean): Intl.DateTimeFormat {
  const key = `${zone}${seconds}`;
  let made = dateTime.get(key);
  if (!made) {
    made = new Intl.DateTimeFormat(LANGUAGE, {
      day: 'numeric',
      month: 'short',
      year: 'numeric',
      hour: '2-digit',
      minute: '2-digit',
      ...(seconds ? { second: '2-digit' } : {}),
      hourCycle: 'h23',
      ...(zone === 'utc' ? { timeZone: 'UTC' } : {}),
    });
    dateTime.set(key, made);
  }
  return made;
}

/** `12 Mar 2024, 14:05`. What cannot be read as a time is shown as it is. */
export function time(iso: string | null | undefined, zone: Zone = 'local', seconds = false): string {
  if (!iso) return '–';
  const ms = Date.parse(iso);
  return Number.isNaN(ms) ? iso : formatter(zone, seconds).format(ms);
}

/** `1:02:03`, `2:03`. */
export function clock(ms: number | null | undefined): string {
  if (ms === null || ms === undefined) return '–';
  const s = Math.floor(ms / SECOND);
  const two = (n: number): string => String(n).padStart(2, '0');
  const h = Math.floor(s / 3600);
  return h > 0 ? `${h}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}` : `${Math.floor(s / 60)}:${two(s % 60)}`;
}

/** `3 h 12 min`, `45 s`, `2 days 4 h`: two units at most. */
export function span(ms: number): string {
  const v = Math.abs(ms);
  if (v < MINUTE) return `${Math.floor(v / SECOND)} s`;
  if (v < 10 * MINUTE) return pair(Math.floor(v / MINUTE), 'min', Math.floor((v % MINUTE) / SECOND), 's');
  if (v < HOUR) return `${Math.floor(v / MINUTE)} min`;
  if (v < DAY) return pair(Math.floor(v / HOUR), 'h', Math.floor((v % HOUR) / MINUTE), 'min');
  const days = Math.floor(v / DAY);
  const unit = days === 1 ? 'day' : 'days';
  return days >= 14 ? `${days} ${unit}` : pair(days, unit, Math.floor((v % DAY) / HOUR), 'h');
}

function pair(a: number, aUnit: string, b: number, bUnit: string): string {
  return b === 0 ? `${a} ${aUnit}` : `${a} ${aUnit} ${b} ${bUnit}`;
}

/** `in 3 h 12 min`, `2 days ago`, `now`. */
export function until(iso: string | null | undefined, now: number): string {
  const ms = iso ? Date.parse(iso) : Number.NaN;
  if (Number.isNaN(ms)) return '';
  const left = ms - now;
  if (Math.abs(left) < SECOND) return 'now';
  return left > 0 ? `in ${span(left)}` : `${span(left)} ago`;
}

/** `1.4 MB`, decimal units as storage providers bill them. */
export function size(bytes: number): string {
  const units = ['bytes', 'kB', 'MB', 'GB', 'TB', 'PB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

const numbers = new Intl.NumberFormat(LANGUAGE);
export const count = (n: number): string => numbers.format(n);

/** `1 recording`, `2,000 recordings`. */
export function plural(n: number, one: string, many = `${one}s`): string {
  return `${count(n)} ${n === 1 ? one : many}`;
}

/** A decimal number as money, never less exact than what is charged: `USD 0.0153`, `USD 12.40`, `USD 0`. */
export function money(decimal: string, currency: string): string {
  const [whole = '0', fraction = ''] = decimal.split('.');
  const needed = fraction.replace(/0+$/, '');
  const sign = whole.startsWith('-') ? '-' : '';
  const grouped = numbers.format(BigInt(whole.replace('-', '') || '0'));
  if (needed === '') return `${currency} ${sign}${grouped}${whole === '0' ? '' : '.00'}`;
  return `${currency} ${sign}${grouped}.${needed.padEnd(2, '0')}`;
}

/** A rounded amount as it came, grouped: `USD 1,240`, `0.53`; a dash where there is none. */
export function estimate(amount: string | null | undefined, currency = ''): string {
  if (!amount) return '–';
  const [whole = '0', cents] = amount.replace('-', '').split('.');
  const text = `${amount.startsWith('-') ? '−' : ''}${numbers.format(BigInt(whole))}${cents ? `.${cents}` : ''}`;
  return currency ? `${currency} ${text}` : text;
}

/** A long hexadecimal digest, broken into groups that can be read aloud. */
export function groups(hex: string): string {
  return hex.replace(/(.{8})(?=.)/g, '$1 ');
}

const WORDS: Record<string, string> = {
  voice: 'Call',
  screen: 'Screen',
  chat: 'Chat',
  email: 'E-mail',
  message: 'Message',
  online: 'Ready',
  rehydrating: 'On its way',
  offline: 'In cold storage',
  hot: 'Ready storage',
  cool: 'Cool storage',
  cold: 'Cold storage',
  deep_cold: 'Deep cold storage',
  inbound: 'Inbound',
  outbound: 'Outbound',
  internal: 'Internal',
  expedited: 'Expedited',
  standard: 'Standard',
  bulk: 'Bulk',
  verified: 'Verified',
  verified_with_remarks: 'Verified, with remarks',
  self_consistent: 'Consistent with itself; origin not established',
  failed: 'Failed',
  requested: 'Requested',
  planned: 'Planned',
  approved: 'Approved',
  available: 'Ready to fetch',
  downloading: 'Fetching',
  verifying: 'Verifying',
  cancelled: 'Stopped',
  open: 'Open',
  closed: 'Closed',
  governance: 'Governance: can be shortened only with a special right',
  compliance: 'Compliance: cannot be shortened by anyone',
};

/** A stable word of the interface in the words of people; unknown ones become readable. */
export function word(code: string | null | undefined): string {
  if (!code) return '–';
  return WORDS[code] ?? code.replace(/[_.]/g, ' ').replace(/^./, (c) => c.toUpperCase());
}
