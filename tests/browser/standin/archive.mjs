// The commands of the stand-in: enough of Holdfast's behaviour for its pages to be tried, and a record of what was asked.
import { LINKS, SPACING_MS, NEWEST, custodyOf, finding, idOf, rowOf } from './data.mjs';

const iso = (ms) => new Date(ms).toISOString();
const fail = (code, message, next, evidence = 'No recording and no proof was changed.') => Object.assign(new Error(message), { api: { code, message, next, evidence } });

export class Archive {
  /** `rows`: how many recordings; number 2 is tampered with. */
  constructor(rows, tell) {
    this.rows = rows;
    this.tell = tell;
    this.asked = [];
    this.state = new Map();
    this.verdicts = new Map();
    this.matters = new Map();
    this.quarantine = [
      { id: 'Q-1', source: 'export-2026', item: 'conv-100777/rec-1.wav', reason: 'truncation_detected', sentence: 'The recording is 14 s long; its source says 92 s.', expected: '92.000 s', found: '14.020 s', since: iso(NEWEST - 3e8), kept_at: 'quarantine/Q-1', state: 'quarantined', resolution: null },
      { id: 'Q-2', source: 'export-2026', item: 'conv-100901/rec-1.json', reason: 'missing_field', sentence: 'The metadata names no end of the interaction.', expected: 'end', found: null, since: iso(NEWEST - 2e8), kept_at: null, state: 'quarantined', resolution: null },
    ];
    this.secrets = [
      { name: 'aws', meaning: 'An access key of AWS, where neither profile nor single sign-on is used.', from: 'keyring', entered_at: iso(NEWEST), used: true },
      { name: 'azure-sas', meaning: 'A shared access signature for Azure.', from: null, entered_at: null, used: false },
      { name: 'smtp-password', meaning: 'The password of the mail server.', from: null, entered_at: null, used: true },
    ];
    this.seed();
  }

  seed() {
    this.matter_create({ name: 'Doe v. Acme', reference: '24-CV-1182', justification: 'Subpoena of 3 November: calls of Ada Wren on her claim', deadline: iso(Date.now() + 26 * 3_600_000) }, 'M-1');
    this.matters.get('M-1').held = true;
    this.matters.get('M-1').items = [1, 4, 7, 0].map((i) => idOf(i));
    this.matter_create({ name: 'Regulator inquiry 7', reference: 'FIN-2026-07', justification: 'Complaint handling in 2026', deadline: iso(Date.now() + 9 * 86_400_000) }, 'M-2');
  }

  /** A matter whose deadline Deep Archive cannot make. */
  seedRefused() {
    this.matter_create({ name: 'Writ of this morning', reference: '26-CV-77', justification: 'Subpoena: an answer in four hours', deadline: iso(Date.now() + 4 * 3_600_000) }, 'M-77');
    this.matters.get('M-77').items = [1, 4, 7, 0].map((i) => idOf(i));
  }

  row(id) {
    const i = Number(id.slice(-12));
    if (!(i >= 0 && i < this.rows) || idOf(i) !== id) throw fail('index.unknown_recording', 'There is no recording of that name.', 'Search for it.');
    return rowOf(i, this.state.get(id));
  }

  call(command, request) {
    this.asked.push({ command, request });
    const run = this[command];
    if (!run || command === 'call') throw fail('api.unknown_command', `there is no command \`${command}\``, 'Check the spelling.');
    return run.call(this, request);
  }

  status() {
    return { version: '0.1.0', home: '/home/rosa/.local/share/holdfast', person: 'Rosa Lindgren', role: 'legal', cloud_identity: 'arn:aws:sts::111122223333:assumed-role/holdfast-reader/rosa', archive: 's3', index: 'dynamodb', trouble: null, recordings: this.rows, ledger_entries: 1002, open_matters: [...this.matters.values()].filter((m) => m.state === 'open').length, quarantined: this.quarantine.filter((q) => q.state === 'quarantined').length, keys: 'The keys are in a file that only your account can read; this machine has no keyring.', keys_in: 'file', ledger_key: 'b1'.repeat(32), ledger_key_fingerprint: 'c2'.repeat(32), ledger_id: 'holdfast/0123456789abcdef', demo: true, ffmpeg: true };
  }

  /** Results are arithmetic: "before T" and the cursor are positions. Words and filters thin the list out. */
  search(r) {
    const matches = this.matching(r);
    let from = 0;
    if (r.to) {
      const before = Date.parse(r.to);
      from = matches.every ? Math.max(0, Math.floor((NEWEST - before) / SPACING_MS) + 1) : matches.list.findIndex((i) => NEWEST - i * SPACING_MS < before);
      if (from < 0) from = matches.count;
    }
    const total = Math.max(0, matches.count - from);
    const begin = r.cursor ? Number(r.cursor) : from;
    const end = Math.min(begin + (r.limit ?? 50), matches.count);
    const at = (n) => (matches.every ? n : matches.list[n]);
    const results = [];
    for (let n = begin; n < end; n += 1) results.push(this.row(idOf(at(n))));
    const page = { total, total_is_exact: true, results, next_cursor: end < matches.count ? String(end) : null };
    if (r.facets) page.facets = this.facets(matches, at);
    return page;
  }

  matching(r) {
    const tests = [];
    const words = (r.text ?? '').toLowerCase().split(/\s+/).filter(Boolean);
    if (words.length) tests.push((row) => words.every((w) => JSON.stringify(row).toLowerCase().includes(w)));
    for (const [name, of] of Object.entries({ queue: (x) => x.queues, agent: (x) => x.agents, tag: (x) => x.tags, participant: (x) => [...x.customers, ...x.agents], media: (x) => [x.media], vendor: (x) => [x.vendor], direction: (x) => [x.direction], interaction: (x) => [x.interaction_id], tier: (x) => [x.tier === 'hot' ? 'hot' : 'cold'] })) {
      if (r[name]) tests.push((row) => of(row).includes(r[name]));
    }
    if (r.year) tests.push((row) => row.start.startsWith(String(r.year)));
    if (r.from) tests.push((row) => row.start >= r.from);
    if (r.matter) tests.push((row) => this.matters.get(r.matter)?.items.includes(row.archive_id));
    if (tests.length === 0) return { every: true, count: this.rows };
    const list = [];
    for (let i = 0; i < Math.min(this.rows, 3000); i += 1) if (tests.every((t) => t(this.row(idOf(i))))) list.push(i);
    return { every: false, list, count: list.length };
  }

  facets(matches, at) {
    const counts = { vendor: {}, media: {}, queue: {}, agent: {}, tag: {}, tier: {}, direction: {}, year: {} };
    const n = Math.min(matches.count, 2000);
    const add = (name, value) => (counts[name][value] = (counts[name][value] ?? 0) + 1);
    for (let k = 0; k < n; k += 1) {
      const row = this.row(idOf(at(k)));
      add('vendor', row.vendor);
      add('media', row.media);
      row.queues.forEach((q) => add('queue', q));
      row.agents.forEach((a) => add('agent', a));
      row.tags.forEach((t) => add('tag', t));
      add('tier', row.tier === 'hot' ? 'hot' : 'cold');
      add('direction', row.direction);
      add('year', row.start.slice(0, 4));
    }
    if (matches.every) {
      // Years are counted exactly: jumping in the list rests on them.
      counts.year = {};
      const newest = new Date(NEWEST).getUTCFullYear();
      const before = (year) => Math.min(this.rows, Math.max(0, Math.floor((NEWEST - Date.UTC(year, 0, 1)) / SPACING_MS) + 1));
      for (let year = newest, seen = 0; seen < this.rows; year -= 1) {
        counts.year[year] = before(year) - seen;
        seen = before(year);
      }
    }
    return { complete: true, ...Object.fromEntries(Object.entries(counts).map(([k, v]) => [k, Object.entries(v).map(([value, count]) => ({ value, count })).sort((a, b) => b.count - a.count)])) };
  }

  recording({ id }) {
    const row = this.row(id);
    const text = ['chat', 'email'].includes(row.media);
    const tampered = this.verdicts.get(id)?.outcome === 'failed';
    const away = row.availability !== 'online';
    const inMatters = [...this.matters.values()].filter((m) => m.items.includes(id));
    return {
      row, participants: [{ role: 'customer', identifier: '+1 ••• ••• 0142', display_name: row.customers[0] }, { role: 'agent', identifier: 'agent-17', display_name: row.agents[0] }],
      facts: [{ label: 'Codec', value: 'µ-law, 8 kHz, 2 channels' }, { label: 'System', value: row.vendor }, { label: 'Wrap-up', value: 'Claim explained' }],
      original_name: `${row.recording_id}.wav`, media_type: text ? 'application/json' : row.media === 'screen' ? 'video/mp4' : 'audio/wav', channels: text ? 0 : 2, sha256: 'c0ffee12'.repeat(8),
      retention: { class: 'seven years', rule: 'finra calls', legal_basis: 'SEC 17a-4(b)(4)', mode: 'compliance', until: iso(Date.parse(row.end) + 7 * 365.25 * 86_400_000) },
      holds: inMatters.filter((m) => m.held).map((m) => m.matter_id), matters: inMatters.map((m) => ({ matter_id: m.matter_id, name: m.name })),
      custody: custodyOf(id), verification: this.verdicts.get(id) ?? null, desk_copy: away || tampered ? null : `/desk/${id}.wav`, play_needs_reason: row.tags.includes('pci'),
      not_playable: tampered ? 'It failed verification and is not played as evidence.' : away ? 'It lies in cold storage. Bring it back first.' : null,
      remarks: [], text: text ? 'Customer: I was charged twice.\nAgent: I am sorry to hear that; I see both charges.' : null,
    };
  }

  verify({ target }) {
    const tampered = /-0*2$/.test(target);
    const view = {
      outcome: tampered ? 'failed' : 'verified', at: iso(Date.now()), subject: target,
      findings: tampered ? [finding('bytes.digest_mismatch', 'The bytes are not the ones that were archived.', 'sha256:c0ffee…', 'sha256:0badc0…')] : [],
      checks: LINKS.map((link) => ({ link, passed: !(tampered && link === 'bytes'), result: link === 'inclusion' && tampered ? 'not_checked' : tampered && link === 'bytes' ? 'failed' : 'passed' })),
    };
    this.verdicts.set(target, view);
    return view;
  }

  matter_create(r, id = `M-${this.matters.size + 1}`) {
    const known = [...this.matters.values()].find((m) => r.idempotency && m.idempotency === r.idempotency);
    if (known) return { matter_id: known.matter_id };
    this.matters.set(id, { matter_id: id, requester: 'Rosa Lindgren', ...r, state: 'open', items: [], held: false, created_at: iso(Date.now()), plan: null, exports: [], jobs: new Map() });
    return { matter_id: id };
  }

  need(id) {
    const m = this.matters.get(id);
    if (!m) throw fail('desk.unknown_matter', 'There is no such matter.', 'Look at the list of matters.');
    return m;
  }

  view(m) {
    const jobs = [...m.jobs.values()];
    const n = (state) => jobs.filter((j) => j.state === state).length;
    const { matter_id, name, reference, justification, requester, deadline, state, held, created_at } = m;
    return { matter_id, name, reference, justification, requester, deadline, state, held, created_at, items: m.items.length, verified: n('verified'), failed: n('failed'), under_way: jobs.length - n('verified') - n('failed') - n('cancelled') };
  }

  matters_list() {
    return [...this.matters.values()].map((m) => this.view(m)).sort((a, b) => a.deadline.localeCompare(b.deadline));
  }

  matter({ matter }) {
    const m = this.need(matter);
    return { matter: this.view(m), plan: m.plan, exports: m.exports, items: m.items.map((id, i) => ({ recording: this.row(id), job: m.jobs.get(id) ?? null, exhibit: `HF-${String(i + 1).padStart(4, '0')}` })) };
  }

  matter_add({ matter, ids }) {
    const m = this.need(matter);
    const fresh = ids.filter((id) => !m.items.includes(id));
    m.items.push(...fresh);
    m.plan = null;
    return { added: fresh.length, already: ids.length - fresh.length };
  }

  matter_close({ matter, release_holds }) {
    const m = this.need(matter);
    m.state = 'closed';
    if (release_holds) m.held = false;
    return this.view(m);
  }

  hold({ matter, on }) {
    const m = this.need(matter);
    m.held = on;
    return this.view(m);
  }

  plan({ matter, speed }) {
    const m = this.need(matter);
    const left = Date.parse(m.deadline) - Date.now();
    const H = 3_600_000;
    const items = m.items.map((id) => {
      const row = this.row(id);
      const deep = row.tier === 'deep_cold';
      const all = row.availability === 'online' ? [] : deep ? [['standard', 9 * H, 12 * H, '0.000412'], ['bulk', 36 * H, 48 * H, '0.000061']] : [['expedited', 180_000, 300_000, '0.010300'], ['standard', 4 * H, 5 * H, '0.000150'], ['bulk', 8 * H, 12 * H, '0.000000']];
      const options = all.map(([s, expected_ms, worst_ms, cost]) => ({ speed: s, expected_ms, worst_ms, cost, meets_deadline: worst_ms <= left, may_be_refused: s === 'expedited' }));
      const chosen = options.find((o) => o.speed === speed) ?? options.findLast((o) => o.meets_deadline) ?? options[0] ?? null;
      return { archive_id: id, tier: row.tier, storage_class: deep ? 'DEEP_ARCHIVE' : row.tier === 'hot' ? 'STANDARD' : 'GLACIER', availability: row.availability, size_bytes: row.size_bytes, options, chosen: chosen?.speed ?? null, cannot_meet: chosen && !chosen.meets_deadline ? `Even ${chosen.speed} takes up to ${chosen.worst_ms / H} h from deep cold storage.` : null, refused: chosen && !chosen.meets_deadline ? 'plan.class_too_slow' : null, cost: chosen?.cost ?? '0.000090', copy_expires_at: chosen ? iso(Date.now() + 7 * 86_400_000) : null };
    });
    const taken = items.map((i) => i.options.find((o) => o.speed === i.chosen)).filter(Boolean);
    const worst = Math.max(0, ...taken.map((o) => o.worst_ms));
    const late = items.filter((i) => i.cannot_meet).length;
    const mix = [...new Set(items.map((i) => `${i.storage_class} ${i.chosen ?? ''}`))].map((key) => {
      const [storage_class, speed] = key.split(' ');
      const own = items.filter((i) => `${i.storage_class} ${i.chosen ?? ''}` === key);
      return { storage_class, speed: speed || null, items: own.length, size_bytes: own.reduce((n, i) => n + i.size_bytes, 0), cost: own.reduce((n, i) => n + Number(i.cost), 0).toFixed(6) };
    });
    const refusals = late
      ? [{ code: 'plan.class_too_slow', storage_class: 'DEEP_ARCHIVE', class_name: 'S3 Glacier Deep Archive', items: late, reason: 'The fastest way back from S3 Glacier Deep Archive (Standard) may take 12 h; the deadline is in 4 h.', advice: 'What would have allowed it: a lifecycle rule that keeps recordings for their first 412 days in S3 Glacier Flexible Retrieval (Expedited retrieval within 5 min) or S3 Glacier Instant Retrieval (readable at once), and only then in S3 Glacier Deep Archive. It can be made for recordings to come; it does not make these faster.', earliest: iso(Date.now() + worst) }]
      : [];
    m.plan = {
      mix, refusals, keep_days: 7,
      plan_id: `P-${Date.now()}`, matter_id: matter, deadline: m.deadline, made_at: iso(Date.now()), prices_dated: '2026-06-30', state: 'proposed', items, remarks: late ? ['Deep cold storage knows no faster way.'] : [],
      totals: { items: items.length, online: items.length - taken.length, to_rehydrate: taken.length, cannot_meet: late, size_bytes: items.reduce((n, i) => n + i.size_bytes, 0), cost: taken.reduce((n, o) => n + Number(o.cost), 0).toFixed(6), requests_cost: '0.000100', bytes_cost: '0.000062', copies_cost: '0.004100', early_deletion_cost: '0.000000', download_cost: '0.000900', currency: 'USD', expected_at: iso(Date.now() + Math.max(0, ...taken.map((o) => o.expected_ms))), worst_at: iso(Date.now() + worst), meets_deadline: late === 0 && worst <= left },
    };
    return m.plan;
  }

  link_make({ id, matter, valid_s, reason }) {
    if (!reason) throw fail('link.reason_needed', 'a link to this recording needs a reason, which is kept in the ledger', 'Say why you give it out.');
    const ids = id ? [id] : this.need(matter).items;
    return {
      links: ids.map((archive_id, i) => {
        const online = this.row(archive_id).availability === 'online';
        return online
          ? { archive_id, url: `https://acme-media.s3.us-east-1.amazonaws.com/recordings/${archive_id}.wav?X-Amz-Expires=${valid_s}&X-Amz-Signature=${'ab'.repeat(32)}`, until: iso(Date.now() + valid_s * 1000), ledger: 1003 + i, code: null, problem: null }
          : { archive_id, url: null, until: null, ledger: 1003 + i, code: 'store.offline', problem: 'this recording lies in the cold tier; a link to it would open nothing. Retrieve it first.' };
      }),
    };
  }

  credentials() {
    return { credentials: this.secrets };
  }

  credential_set({ name }) {
    Object.assign(this.secrets.find((s) => s.name === name), { from: 'keyring', entered_at: iso(Date.now()) });
    return this.credentials();
  }

  credential_clear({ name }) {
    Object.assign(this.secrets.find((s) => s.name === name), { from: null, entered_at: null });
    return this.credentials();
  }

  notifications() {
    const one = (id, channel, kind, subject, state, more = {}) => ({ id, channel, kind, matter_id: 'M-1', subject, state, attempts: 1, problem: null, created_at: iso(NEWEST), updated_at: iso(NEWEST), due_at: null, ...more });
    return {
      channels: ['desktop', 'email', 'webhook:court'],
      notifications: [
        one('N-3', 'webhook:court', 'ready', 'Doe v. Acme: all recordings are verified', 'pending', { attempts: 3, problem: 'the receiver answered 503', due_at: iso(Date.now() + 90_000) }),
        one('N-3', 'email', 'ready', 'Doe v. Acme: all recordings are verified', 'sent'),
        one('N-2', 'webhook:court', 'expiring', 'Doe v. Acme: a copy lapses in 24 h', 'given_up', { attempts: 8, problem: 'the receiver could not be reached' }),
      ],
    };
  }

  notify_test() {
    return { channels: [{ channel: 'desktop', sent: true, problem: null }, { channel: 'webhook:court', sent: false, problem: 'the receiver answered 503' }] };
  }

  preflight() {
    const check = (code, title, outcome, says, more = {}) => ({ code: `preflight.${code}`, title, place: 'acme-media', outcome, says, missing: null, next: null, elapsed_ms: 120, ...more });
    const checks = [
      check('clock', 'The clocks agree', 'passed', 'This machine is 0.2 s from the storage.', { place: '' }),
      check('object_lock', 'A lock that is set holds', 'passed', 'A probe under lock could not be deleted.'),
      check('restore', 'Rehydration may be asked for', 'failed', 'RestoreObject was denied.', { missing: 's3:RestoreObject', next: 'Give the reader role s3:RestoreObject on acme-media/recordings/*.' }),
      check('account', 'The storage account keeps versions', 'skipped', 'This is not Azure.', { place: '' }),
    ];
    checks.forEach((c, i) => this.tell({ event: 'progress', task: 'preflight', stage: c.title, done: i + 1, total: null, unit: 'checks', left_ms: null }));
    this.tell({ event: 'progress', task: 'preflight', stage: checks.at(-1).title, done: 0, total: 0, unit: '', left_ms: null });
    return { checks, green: false, passed: 2, failed: 1, skipped: 1, probes: 'preflight/2026-11-20/5f0c', stopped: false };
  }

  costs({ count }) {
    if (count) {
      this.tell({ event: 'progress', task: 'costs', stage: 'Counting what is kept', done: 300, total: 600, unit: 'recordings', left_ms: 900 });
      this.tell({ event: 'progress', task: 'costs', stage: 'Counting what is kept', done: 600, total: 600, unit: 'recordings', left_ms: 0 });
      const line = (kind, storage_class, class_name, objects, size_bytes, month, on_top, standard, saving, min_days, early) => ({
        kind, storage_class, class_name, objects, size_bytes, billed_bytes: Math.round(size_bytes * 1.1), month, month_on_top: on_top, month_standard: standard, saving_year: saving, moved_once: month === null ? null : '0.05', min_days, early_deletion: early,
      });
      this.counted = {
        counted_at: iso(Date.now()), prices_dated: '2026-11-01', prices_source: 'Public list prices without discounts: AWS us-east-1.', currency: 'USD',
        lines: [
          line('recordings', 'DEEP_ARCHIVE', 'S3 Glacier Deep Archive', 812_400, 48.2e12, '45.10', '0.41', '1033', '11855', 180, '12.20'),
          line('recordings', 'GLACIER', 'S3 Glacier Flexible Retrieval', 20_100, 1.1e12, '3.70', '0.01', '23.56', '238', 90, '0.00'),
          line('metadata', 'STANDARD', 'S3 Standard', 2_497_500, 9.2e9, '0.20', '0.00', '0.20', '0.00', 0, '0.00'),
          line('metadata', 'STANDARD_IA', 'S3 Standard-Infrequent Access', 4_000, 8.1e6, '0.01', '0.01', '0.01', '-0.07', 30, '0.00'),
          line('recordings', 'TAPE', 'TAPE', 3, 4e6, null, null, null, null, 0, null),
        ],
        years: [2026, 2025, 2024].map((year) => ({ year, objects: 277_500, size_bytes: 16.4e12, month: '16.27', month_standard: '352', saving_year: '4029' })),
        totals: { objects: 3_334_003, recordings: 832_503, size_bytes: 49.3e12, month: '49.01', year: '588', month_standard: '1057', saving_year: '12092', unpriced: 3 },
        remarks: ['An estimate at list prices, not a bill: storage of the newest version of each object, a month of 30 days, a year of twelve.', 'The price list of 2026-11-01 has no storage price for TAPE: its 3 objects are counted, but in no amount.'],
      };
    }
    return { report: this.counted ?? null };
  }

  costs_file() {
    if (!this.counted) throw fail('api.not_counted', 'what the storage keeps was not counted yet', 'Count it first.');
    return { name: 'holdfast-costs.csv', media_type: 'text/csv', text: 'what,storage_class\r\nrecordings,DEEP_ARCHIVE\r\n' };
  }

  retrieve({ matter }) {
    const m = this.need(matter);
    if (m.plan) m.plan.state = 'approved';
    for (const id of m.items) {
      if (m.jobs.get(id)?.state === 'verified') continue;
      const row = this.row(id);
      m.jobs.set(id, { archive_id: id, matter_id: matter, state: 'approved', expected_at: iso(Date.now() + 1500), worst_at: iso(Date.now() + 3000), available_until: null, done_bytes: 0, size_bytes: row.size_bytes, path: null, sha256: null, outcome: null, findings: [], problem: null, remarks: [] });
      this.move(m, id, ['rehydrating', 'downloading', 'verifying', 'verified']);
    }
    return { items: [...m.jobs.values()] };
  }

  /** A job goes its way in two seconds or so, told step by step. */
  move(m, id, states) {
    states.forEach((state, n) => {
      setTimeout(() => {
        const job = m.jobs.get(id);
        if (job.state === 'cancelled') return;
        Object.assign(job, { state, done_bytes: state === 'downloading' ? Math.round(job.size_bytes / 2) : state === 'rehydrating' ? 0 : job.size_bytes });
        if (state === 'verified') {
          const { outcome, findings } = this.verify({ target: id });
          Object.assign(job, { state: outcome === 'failed' ? 'failed' : 'verified', outcome, findings, path: outcome === 'failed' ? null : `/desk/${id}.wav` });
          this.state.set(id, { availability: 'online', online_until: iso(Date.now() + 7 * 86_400_000) });
        }
        this.tell({ event: 'job', job });
        const view = this.view(m);
        if (view.under_way === 0) this.tell({ event: 'matter_ready', matter_id: m.matter_id, verified: view.verified, failed: view.failed });
      }, 500 * (n + 1));
    });
  }

  jobs({ matter, all }) {
    const jobs = [...this.matters.values()].filter((m) => !matter || m.matter_id === matter).flatMap((m) => [...m.jobs.values()]);
    return { jobs: jobs.filter((j) => all || !['verified', 'failed', 'cancelled'].includes(j.state)) };
  }

  job_cancel({ matter, id }) {
    for (const job of this.need(matter).jobs.values()) if ((!id || job.archive_id === id) && job.state !== 'verified') job.state = 'cancelled';
    return this.jobs({ matter, all: true });
  }

  export({ matter, to, partial }) {
    const m = this.need(matter);
    const view = this.view(m);
    if (view.verified < view.items && !partial) throw fail('desk.not_verified', 'Not all recordings are verified.', 'Bring the rest back, or leave them out.');
    const made = { package: `${to ?? '/home/rosa/holdfast/exports'}/${m.reference}`, outcome: 'verified', items: view.verified, left_out: view.items - view.verified, seal: '5ea1'.repeat(16), made_at: iso(Date.now()) };
    m.exports.unshift(made);
    return made;
  }

  play({ id, reason }) {
    const detail = this.recording({ id });
    if (detail.not_playable) throw fail('play.refused', detail.not_playable, 'See its verification.');
    if (detail.play_needs_reason && !reason) throw fail('play.needs_reason', 'Playing this recording asks for a reason.', 'Give one.');
    return { session: 'S1', archive_id: id, kind: detail.channels === 0 ? 'text' : detail.row.media === 'screen' ? 'video' : 'audio', media_path: '/media/S1.wav', duration_ms: 3000, channels: detail.channels, outcome: 'verified' };
  }

  player({ session }) {
    return { session, state: 'stopped', position_ms: 0, duration_ms: 3000, speed: 1, volume: 1, channels: 'both' };
  }

  waveform({ columns }) {
    const lane = (k) => Array.from({ length: columns }, (_, i) => {
      const loud = Math.abs(Math.sin(i / 37 + k) * Math.sin(i / 11 + 2 * k)) * (Math.sin(i / 190 + k * 1.6) > -0.1 ? 0.9 : 0.06);
      return [-loud, loud * 0.95];
    }).flat();
    return { duration_ms: 3000, channels: [lane(0), lane(2)] };
  }

  ingest({ path }) {
    if (!path.startsWith('/')) throw fail('ingest.unreadable', `The folder ${path} cannot be read.`, 'Give the whole path of a folder that this account may read.');
    this.tell({ event: 'progress', task: 'ingest', stage: 'Taking in', done: 3, total: 12, unit: 'recordings', left_ms: 4000 });
    this.tell({ event: 'progress', task: 'ingest', stage: 'Taking in', done: 12, total: 12, unit: 'recordings', left_ms: 0 });
    return { run_id: 'R-9', discovered: 12, archived: 9, already: 1, quarantined: 2, awaiting: 0, explained: 0, failed: 0, bytes: 18_200_000, complete: true, elapsed_ms: 2400, problem: null };
  }

  archiver_status() {
    const summary = { run_id: 'R-8', discovered: 420, archived: 411, already: 0, quarantined: 2, awaiting: 4, explained: 3, failed: 0, bytes: 1_930_000_000, complete: true, elapsed_ms: 61_000, problem: null };
    return { archived: this.rows, open: [{ state: 'quarantined', count: 2 }, { state: 'awaiting', count: 4 }], runs: [{ started_at: iso(NEWEST), ended_at: iso(NEWEST + 61_000), running: false, source: '/srv/export-2026', summary }], sources: [{ name: 'export-2026', kind: 'folder', place: '/srv/export-2026' }] };
  }

  quarantine_list() {
    return { items: this.quarantine };
  }

  quarantine_show({ id }) {
    return this.quarantine.find((q) => q.id === id);
  }

  quarantine_resolve({ id }) {
    const item = this.quarantine.find((q) => q.id === id);
    item.state = 'resolved';
    return item;
  }

  ledger_verify() {
    return { outcome: 'verified', entries: 1002, findings: [], elapsed_ms: 120 };
  }

  ledger_show({ from, limit }) {
    const first = from ?? Math.max(0, 1002 - limit);
    const [, , , , last] = custodyOf('');
    return { size: 1002, entries: Array.from({ length: Math.min(limit, 1002 - first) }, (_, i) => ({ ...last, sequence: first + i, phase: 'fact' })) };
  }

  ledger_checkpoint() {
    return { text: 'holdfast/0123456789abcdef\n1002\nq2Rlc3Q4c2hhMjU2cm9vdG9mdGhldHJlZQ==\n\n— holdfast/0123456789abcdef Az3grlgtzPIYJv8u…\n', size: 1002, root: 'ab'.repeat(32), key: 'b1'.repeat(32), key_fingerprint: 'c2'.repeat(32) };
  }

  index_check() {
    return { rows: this.rows, manifests: this.rows, missing: 0, surplus: 0, different: 0, unfinished: 0, damaged: 0, findings: [] };
  }

  index_rebuild() {
    return this.index_check();
  }

  settings() {
    return { file: '/home/rosa/.config/holdfast/holdfast.toml', problems: [{ line: 12, column: 3, message: 'There is no setting `retrieval.sped`. Did you mean `retrieval.speed`?' }], values: [{ name: 'store.cold.standard', value: '4 h', from: 'default', meaning: 'How long a standard rehydration takes in the local cold tier.' }, { name: 'playback.reason_tags', value: 'pci', from: 'file', meaning: 'Playing recordings with one of these tags asks for a reason.' }] };
  }

  cancel() {
    return { stopped: true };
  }
}
