// A made-up archive for the tests of the pages: the same answers every time, arithmetic instead of a database.

const NAMES = ['Ada Wren', 'Ben Okafor', 'Chloe Marsh', 'Daniel Ruiz', 'Elif Demir', 'Farid Nasser', 'Grace Lindqvist', 'Hugo Brandt', 'Ines Carvalho', 'Jonas Keller'];
const AGENTS = ['Priya Nair', 'Tom Aldridge', 'Marta Kowalska', 'Yusuf Aydin'];
const QUEUES = ['Billing', 'Claims', 'Retention', 'Technical support', 'Fraud desk'];
const MEDIA = ['voice', 'voice', 'voice', 'screen', 'voice', 'chat', 'voice', 'email'];
const TAGS = ['pci', 'finra', 'complaint', 'callback', 'escalated'];
const VENDORS = ['genesys-cloud', 'nice-cxone', 'avaya'];
export const NEWEST = Date.UTC(2026, 9, 30, 16, 40, 0);
export const SPACING_MS = 4 * 60_000;

const pick = (list, n) => list[n % list.length];
const hex = (n, length) => Array.from({ length }, (_, i) => ((n * 2654435761 + i * 40503) >>> (i % 24)).toString(16).slice(-1)).join('');
export const idOf = (i) => `0196${hex(i, 4)}-${hex(i + 7, 4)}-7${hex(i + 1, 3)}-8${hex(i + 2, 3)}-${String(i).padStart(12, '0')}`;
export const startOf = (i) => NEWEST - i * SPACING_MS;

/** Result number `i`, 0 being the newest. */
export function rowOf(i, overrides = {}) {
  const media = pick(MEDIA, i);
  const start = startOf(i);
  const duration = media === 'chat' || media === 'email' ? null : 45_000 + ((i * 7919) % 900) * 1000;
  const cold = i % 3 === 1;
  return {
    archive_id: idOf(i), interaction_id: `conv-${100000 + i}`, recording_id: `rec-${i}`, vendor: pick(VENDORS, i), media,
    start: new Date(start).toISOString(), end: new Date(start + (duration ?? 300_000)).toISOString(), duration_ms: duration,
    direction: i % 4 === 0 ? 'outbound' : 'inbound', queues: [pick(QUEUES, i * 3)], agents: [pick(AGENTS, i)], customers: [pick(NAMES, i * 7)],
    tags: TAGS.filter((_, t) => (i + t) % 5 < 1 + (i % 3)), availability: cold ? 'offline' : 'online', expected_at: null, online_until: null,
    tier: cold ? (i % 2 ? 'cold' : 'deep_cold') : 'hot', size_bytes: 120_000 + ((i * 104729) % 9_000_000), held: i % 29 === 2, ...overrides,
  };
}

export function custodyOf(id) {
  const at = (days) => new Date(NEWEST - days * 86_400_000).toISOString();
  const row = (sequence, days, action, phase, sentence, more = {}) => ({
    sequence, time: at(days), action, phase, sentence, person: 'archiver', role: 'archiver', matter: null, reason: null, outcome: phase === 'outcome' ? 'succeeded' : null, ...more,
  });
  const me = { person: 'Rosa Lindgren', role: 'legal' };
  return [
    row(411, 20, 'accession', 'intent', 'Accession was begun', { id }),
    row(412, 20, 'accession', 'outcome', 'Taken into the archive: 1.2 MB, digest read back and equal', { id }),
    row(902, 6, 'legal_hold', 'intent', 'Legal hold was ordered', { ...me, matter: 'M-1', reason: 'Litigation is expected' }),
    row(903, 6, 'legal_hold', 'outcome', 'Legal hold set', { ...me, matter: 'M-1' }),
    row(1001, 1, 'verification', 'outcome', 'Verified: every link holds', me),
  ].map(({ id: _, ...r }) => r);
}

export const finding = (code, meaning, expected, found, severity = 'failure') => ({ code, severity, subject: 'recordings/2026/10/30', expected, found, meaning });
export const LINKS = ['bytes', 'size', 'object metadata', 'manifest', 'index', 'ledger entry', 'inclusion', 'checkpoint signature', 'retention'];

/** A second of a quiet tone: 16-bit PCM, as the gateway would make it. */
export function wav(seconds) {
  const rate = 8000;
  const data = Buffer.alloc(rate * seconds * 2);
  for (let i = 0; i < rate * seconds; i += 1) data.writeInt16LE(Math.round(Math.sin(i / 6) * 3000), i * 2);
  const head = Buffer.alloc(44);
  head.write('RIFF', 0);
  head.writeUInt32LE(36 + data.length, 4);
  head.write('WAVEfmt ', 8);
  head.writeUInt32LE(16, 16);
  head.writeUInt16LE(1, 20);
  head.writeUInt16LE(1, 22);
  head.writeUInt32LE(rate, 24);
  head.writeUInt32LE(rate * 2, 28);
  head.writeUInt16LE(2, 32);
  head.writeUInt16LE(16, 34);
  head.write('data', 36);
  head.writeUInt32LE(data.length, 40);
  return Buffer.concat([head, data]);
}
