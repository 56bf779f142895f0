// Customers' clouds for the tests of pages and window: `clouds` (an example of the test kit) is the cloud; time passes for it and, through
// libfaketime, for the built executables alike.
// HOLDFAST_BIN: folder of the built executables.
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';

const run = promisify(execFile);
const BIN = process.env.HOLDFAST_BIN ?? 'target/debug';
const FAKETIME = '/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1';

const aws = (url, bucket) => `[archive]
backend = "s3"
[archive.s3]
media_bucket = "${bucket}"
meta_bucket = "${bucket}-meta"
force_path_style = true
[index]
backend = "dynamodb"
[index.dynamodb]
table = "${bucket}"
[aws]
region = "us-east-1"
endpoint_url = "${url}"
`;
const azure = (url, bucket, folder) => `[archive]
backend = "azure"
[archive.azure]
account_url = "${url}"
account = "devstoreaccount1"
media_container = "${bucket}"
meta_container = "${bucket}-meta"
quarantine_container = "${bucket}-meta"
[azure]
credential = "cli"
[network]
ca_file = "${join(folder, 'ca.pem')}"
`;

/** The class in which the recordings lie, and seconds after which whatever was asked for is there. */
export const PAIRS = [
  { title: 'Glacier Flexible Retrieval and DynamoDB', cloud: 'aws', klass: 'GLACIER', seconds: 13 * 3600, config: aws },
  { title: 'Glacier Deep Archive and DynamoDB', cloud: 'aws', klass: 'DEEP_ARCHIVE', seconds: 49 * 3600, config: aws },
  { title: 'Azure Archive', cloud: 'azure', klass: 'Archive', seconds: 16 * 3600, config: azure },
];

/** A customer's machine, and three cold recordings in the customer's cloud; `end()` when done. */
export async function site({ cloud: name, klass, config }) {
  assert.ok(existsSync(FAKETIME), 'install faketime: this test moves the clock of the built executables');
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-clouds-'));
  const home = join(folder, 'home');
  mkdirSync(home);
  const cloud = spawn(join(BIN, 'examples', 'clouds'), [name], { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: cloud.stdout })[Symbol.asyncIterator]();
  const heard = async () => JSON.parse((await lines.next()).value);
  const told = async (line) => { cloud.stdin.write(`${line}\n`); return heard(); };
  const end = () => {
    cloud.stdin.end();
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    const address = await heard();
    const bucket = `b${Date.now().toString(36)}-${process.pid}`;
    const clock = join(folder, 'clock');
    writeFileSync(clock, '+0');
    if (address.ca) writeFileSync(join(folder, 'ca.pem'), address.ca);
    writeFileSync(join(home, 'holdfast.toml'), config(address.url, bucket, folder));
    signedIn(join(folder, 'bin'));
    const env = {
      PATH: `${join(folder, 'bin')}:${process.env.PATH}`, AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'test', AWS_EC2_METADATA_DISABLED: 'true', HOLDFAST_SET_KEYS__PLACE: 'file',
      LD_PRELOAD: FAKETIME, FAKETIME_TIMESTAMP_FILE: clock, FAKETIME_NO_CACHE: '1', FAKETIME_DONT_FAKE_MONOTONIC: '1',
    };
    const cli = async (...args) => JSON.parse((await run(join(BIN, 'holdfast'), ['--home', home, '--json', ...args], { env: { ...process.env, ...env } })).stdout);
    let ahead = 0;
    const pass = async (seconds) => { ahead += seconds; await told(`advance ${seconds}`); writeFileSync(clock, `+${ahead}`); };

    if (name === 'aws') {
      await cli('--set', 'person.role=admin', 'provision', 'apply', '--yes');
      await cli('ledger', 'create');
    } else {
      for (const part of ['', '-meta']) await told(`make ${bucket}${part}`);
    }
    calls(join(folder, 'source'));
    await cli('archiver', 'ingest', join(folder, 'source'));
    assert.deepEqual(await told(`cool ${bucket} ${klass}`), { cooled: 3 });
    await cli('index', 'refresh');
    return { home, env, cli, pass, end };
  } catch (e) {
    end();
    throw e;
  }
}

/** `holdfast serve` at a site: its address, and `stop()`. */
export async function serve({ home, env }) {
  const server = spawn(join(BIN, 'holdfast'), ['--home', home, '--json', 'serve', '--port', '0'], { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'inherit'] });
  const stop = async () => {
    if (server.exitCode !== null) return;
    server.kill('SIGINT');
    await once(server, 'exit');
  };
  let said = '';
  while (!/#token=[0-9a-f]{64}/.test(said)) said += (await once(server.stdout, 'data'))[0];
  return { address: /http:\/\/127\.0\.0\.1:\d+\/#token=[0-9a-f]{64}/.exec(said)[0], stop };
}

/** An `az` in which Dana is signed in. */
function signedIn(folder) {
  const part = (json) => Buffer.from(JSON.stringify(json)).toString('base64url');
  const claims = { aud: 'https://storage.azure.com', iss: 'https://sts.windows.net/t/', oid: '0d1e', tid: 't', upn: 'dana@acme.example', nbf: 1700000000, iat: 1700000000, exp: 4102444800 };
  const answer = {
    accessToken: `${part({ alg: 'none', typ: 'JWT' })}.${part(claims)}.c2ln`,
    expiresOn: '2100-01-01 00:00:00.000000', expires_on: 4102444800, subscription: 's', tenant: 't', tokenType: 'Bearer',
  };
  mkdirSync(folder);
  writeFileSync(join(folder, 'az'), `#!/bin/sh\ncat <<'X'\n${JSON.stringify(answer)}\nX\n`);
  chmodSync(join(folder, 'az'), 0o755);
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
