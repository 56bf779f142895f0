// The main job in the pages, unchanged, with the archive in each cloud. `clouds` (an example of the test kit) is the cloud; time
// passes for it and, through libfaketime, for `holdfast serve` alike.
// HOLDFAST_BIN: folder of the built executables.
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { launch, page } from './browser.mjs';

const run = promisify(execFile);
const BIN = process.env.HOLDFAST_BIN ?? '../../target/debug';
const FAKETIME = '/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1';
const HOUR = 3600;

/** A customer's cloud and machine; `end()` when done. */
async function site(name, config) {
  assert.ok(existsSync(FAKETIME), 'install faketime: this test moves the clock of the built executable');
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-clouds-'));
  const home = join(folder, 'home');
  mkdirSync(home);
  const cloud = spawn(join(BIN, 'examples', 'clouds'), [name], { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: cloud.stdout })[Symbol.asyncIterator]();
  const heard = async () => JSON.parse((await lines.next()).value);
  const told = async (line) => { cloud.stdin.write(`${line}\n`); return heard(); };
  const address = await heard();
  const bucket = `b${Date.now().toString(36)}-${process.pid}`;
  const clock = join(folder, 'clock');
  writeFileSync(clock, '+0');
  if (address.ca) writeFileSync(join(folder, 'ca.pem'), address.ca);
  writeFileSync(join(home, 'holdfast.toml'), config(address.url, bucket, folder));
  const part = (json) => Buffer.from(JSON.stringify(json)).toString('base64url');
  const token = `${part({ alg: 'none', typ: 'JWT' })}.${part({ aud: 'https://storage.azure.com', iss: 'https://sts.windows.net/t/', oid: '0d1e', tid: 't', upn: 'dana@acme.example', nbf: 1700000000, iat: 1700000000, exp: 4102444800 })}.c2ln`;
  mkdirSync(join(folder, 'bin'));
  writeFileSync(join(folder, 'bin', 'az'), `#!/bin/sh\ncat <<'X'\n${JSON.stringify({ accessToken: token, expiresOn: '2100-01-01 00:00:00.000000', expires_on: 4102444800, subscription: 's', tenant: 't', tokenType: 'Bearer' })}\nX\n`);
  chmodSync(join(folder, 'bin', 'az'), 0o755);
  const env = {
    ...process.env, PATH: `${join(folder, 'bin')}:${process.env.PATH}`, AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'test', AWS_EC2_METADATA_DISABLED: 'true', HOLDFAST_SET_KEYS__PLACE: 'file',
    LD_PRELOAD: FAKETIME, FAKETIME_TIMESTAMP_FILE: clock, FAKETIME_NO_CACHE: '1', FAKETIME_DONT_FAKE_MONOTONIC: '1',
  };
  const cli = async (...args) => JSON.parse((await run(join(BIN, 'holdfast'), ['--home', home, '--json', ...args], { env })).stdout);
  let ahead = 0;
  let server;
  return {
    folder, cli, told, bucket,
    pass: async (seconds) => { ahead += seconds; await told(`advance ${seconds}`); writeFileSync(clock, `+${ahead}`); },
    serve: async () => {
      server = spawn(join(BIN, 'holdfast'), ['--home', home, '--json', 'serve', '--port', '0'], { env, stdio: ['ignore', 'pipe', 'inherit'] });
      let said = '';
      while (!/#token=[0-9a-f]{64}/.test(said)) said += (await once(server.stdout, 'data'))[0];
      return /http:\/\/127\.0\.0\.1:\d+\/#token=[0-9a-f]{64}/.exec(said)[0];
    },
    end: async () => {
      if (server?.exitCode === null) { server.kill('SIGINT'); await once(server, 'exit'); }
      cloud.stdin.end();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Three short calls with their sidecars. */
function calls(folder) {
  mkdirSync(folder);
  for (let n = 0; n < 3; n += 1) {
    const frames = 16_000;
    const wav = Buffer.alloc(44 + frames * 2);
    wav.write('RIFF', 0); wav.writeUInt32LE(36 + frames * 2, 4); wav.write('WAVEfmt ', 8);
    wav.writeUInt32LE(16, 16); wav.writeUInt16LE(1, 20); wav.writeUInt16LE(1, 22); wav.writeUInt32LE(8000, 24); wav.writeUInt32LE(16_000, 28); wav.writeUInt16LE(2, 32); wav.writeUInt16LE(16, 34);
    wav.write('data', 36); wav.writeUInt32LE(frames * 2, 40);
    for (let i = 0; i < frames; i += 1) wav.writeInt16LE(Math.round(9000 * Math.sin((2 * Math.PI * (400 + 90 * n) * i) / 8000)), 44 + 2 * i);
    writeFileSync(join(folder, `call-${n}.wav`), wav);
    writeFileSync(join(folder, `call-${n}.json`), JSON.stringify({
      vendor: 'genesys', organisation: 'acme', interaction_id: `call-${n}`, recording_id: `call-${n}-r0`, media: 'voice', start: `2024-03-0${n + 1}T10:00:00.000Z`, end: `2024-03-0${n + 1}T10:00:02.000Z`,
      direction: 'inbound', queue: 'billing', participants: [{ role: 'agent', identifier: 'dana', display_name: 'Dana Whitfield' }],
    }));
  }
}

/** From the search to the package; the rehydration takes hours. */
async function mainJob(name, klass, hours, config) {
  const s = await site(name, config);
  const browser = await launch();
  try {
    if (name === 'aws') {
      await s.cli('--set', 'person.role=admin', 'provision', 'apply', '--yes');
      await s.cli('ledger', 'create');
    } else {
      for (const part of ['', '-meta']) await s.told(`make ${s.bucket}${part}`);
    }
    calls(join(s.folder, 'source'));
    await s.cli('archiver', 'ingest', join(s.folder, 'source'));
    assert.deepEqual(await s.told(`cool ${s.bucket} ${klass}`), { cooled: 3 });
    await s.cli('index', 'refresh');
    const p = await page(browser);
    await p.goto(await s.serve());
    await p.locator('#row-0').waitFor();
    await p.keyboard.press('/');
    const searched = p.waitForResponse((r) => r.url().endsWith('/api/search') && (r.request().postData() ?? '').includes('billing'));
    await p.keyboard.type('billing');
    await searched;
    await p.getByText(/^3 recordings$/).waitFor();
    await p.keyboard.press('ArrowDown');
    await p.keyboard.press('Space');
    await p.keyboard.press('Shift+ArrowDown');
    await p.keyboard.press('Shift+ArrowDown');
    await p.getByText('3 selected').first().waitFor();
    await p.keyboard.press('a');
    await p.getByRole('dialog').waitFor();
    const another = p.getByRole('button', { name: 'New matter…' });
    await another.or(p.getByPlaceholder('Doe v. Acme')).first().waitFor();
    if (await another.isVisible()) await another.click();
    await p.getByPlaceholder('Doe v. Acme').fill('Cloud v. Cold');
    await p.getByPlaceholder('24-CV-1182').fill('C-1');
    await p.getByLabel('Due on').fill('2039-01-31');
    await p.getByLabel('Why recordings are brought back').fill('Subpoena');
    await p.getByRole('button', { name: 'Open matter' }).click();
    await p.getByText('3 recordings added to Cloud v. Cold').first().waitFor();
    await p.keyboard.press('g');
    await p.keyboard.press('m');
    await p.getByRole('link', { name: 'Cloud v. Cold' }).click();
    await p.getByRole('heading', { name: 'Cloud v. Cold' }).waitFor();
    const approve = p.getByRole('button', { name: /^Approve and bring back: costs/ });
    if (!(await approve.isVisible())) await p.keyboard.press('p');
    await approve.waitFor();
    await approve.click();
    // Nothing is here before its time.
    await p.getByText(/Being brought back|Rehydrating|On its way/i).first().waitFor();
    await s.pass(hours * HOUR);
    await p.getByText('All 3 verified').waitFor({ timeout: 90_000 });
    await p.keyboard.press('e');
    await p.getByRole('button', { name: 'Export', exact: true }).click();
    await p.getByText('How to check a package').waitFor();
    assert.deepEqual(p.complaints, []);
    assert.equal((await s.cli('ledger', 'verify')).outcome, 'verified');
    await p.context().close();
  } finally {
    await browser.close();
    await s.end();
  }
}

const aws = (url, bucket) => `[archive]\nbackend = "s3"\n[archive.s3]\nmedia_bucket = "${bucket}"\nmeta_bucket = "${bucket}-meta"\nforce_path_style = true\n[index]\nbackend = "dynamodb"\n[index.dynamodb]\ntable = "${bucket}"\n[aws]\nregion = "us-east-1"\nendpoint_url = "${url}"\n`;
const azure = (url, bucket, folder) => `[archive]\nbackend = "azure"\n[archive.azure]\naccount_url = "${url}"\naccount = "devstoreaccount1"\nmedia_container = "${bucket}"\nmeta_container = "${bucket}-meta"\nquarantine_container = "${bucket}-meta"\n[azure]\ncredential = "cli"\n[network]\nca_file = "${join(folder, 'ca.pem')}"\n`;

test('the main job from Glacier Flexible Retrieval and DynamoDB', () => mainJob('aws', 'GLACIER', 13, aws));
test('the main job from Glacier Deep Archive and DynamoDB', () => mainJob('aws', 'DEEP_ARCHIVE', 49, aws));
test('the main job from Azure Archive', () => mainJob('azure', 'Archive', 16, azure));
