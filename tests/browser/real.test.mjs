// The real pages over the real gateway on a real archive: `holdfast demo`, then `holdfast serve`.
// HOLDFAST_BIN: folder of the built executables.
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { launch, page, violations } from './browser.mjs';

const run = promisify(execFile);
const CLI = join(process.env.HOLDFAST_BIN ?? '../../target/debug', 'holdfast');
let folder;
let home;
let server;
let address;
let browser;

const cli = async (...args) => JSON.parse((await run(CLI, ['--home', home, '--json', ...args])).stdout);

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-browser-'));
  home = join(folder, 'home');
  await run(CLI, ['--home', home, 'demo', '--no-open', '--interactions', '60'], { timeout: 300_000 });
  server = spawn(CLI, ['--home', home, '--json', 'serve', '--port', '0'], { stdio: ['ignore', 'pipe', 'inherit'] });
  let said = '';
  while (!/#token=[0-9a-f]{64}/.test(said)) said += (await once(server.stdout, 'data'))[0];
  [address] = /http:\/\/127\.0\.0\.1:\d+\/#token=[0-9a-f]{64}/.exec(said);
  browser = await launch();
});
after(async () => {
  await browser?.close();
  if (server?.exitCode === null) {
    server.kill('SIGINT');
    await once(server, 'exit');
  }
  rmSync(folder, { recursive: true, force: true });
});

/** A page that is signed in. */
async function signedIn(options) {
  const p = await page(browser, options);
  await p.goto(address);
  await p.locator('#row-0').waitFor();
  return p;
}

test('the token is taken out of the address and does not open a second time without its cookie', async () => {
  const p = await signedIn();
  assert.ok(!p.url().includes('token'));
  const cookies = await p.context().cookies();
  assert.deepEqual(cookies.map((c) => [c.httpOnly, c.sameSite]), [[true, 'Strict']]);
  const stranger = await page(browser);
  await stranger.goto(address.split('#')[0]);
  await stranger.getByText('does not carry the token').first().waitFor();
  const wrong = await page(browser);
  await wrong.goto(`${address.split('=')[0]}=${'0'.repeat(64)}`);
  await wrong.getByText('This address is not valid any more.').waitFor();
  for (const x of [p, stranger, wrong]) await x.context().close();
});

test('every screen with real data: nothing that axe objects to', async () => {
  const [voice] = (await cli('search', '--media', 'voice', '--tier', 'hot', '--limit', '1')).results;
  const [cold] = (await cli('search', '--media', 'voice', '--tier', 'cold', '--limit', '1')).results;
  for (const colorScheme of ['light', 'dark']) {
    const p = await signedIn({ colorScheme });
    for (const [hash, wait] of [['#/search', 'newest first'], [`#/recording/${voice.archive_id}`, 'Chain of custody'], [`#/recording/${cold.archive_id}`, 'Cannot be played now'], ['#/matters', 'Recordings'], ['#/jobs', 'Jobs'], ['#/archiver', 'Runs'], ['#/custody', 'Signed checkpoint'], ['#/settings', 'Settings in force']]) {
      await p.evaluate((h) => { location.hash = h; }, hash);
      await p.getByText(wait).first().waitFor();
      assert.deepEqual(await violations(p), [], `${hash}, ${colorScheme}`);
    }
    assert.deepEqual(p.complaints, []);
    await p.context().close();
  }
});

test('the main job: matter, plan, bring back from cold storage, verified, played, exported', async () => {
  const [cold] = (await cli('search', '--media', 'voice', '--tier', 'cold', '--limit', '1')).results;
  const p = await signedIn();
  await p.evaluate((h) => { location.hash = h; }, `#/recording/${cold.archive_id}`);
  await p.getByText('Chain of custody').waitFor();
  await p.keyboard.press('b');
  await p.getByRole('dialog').waitFor();
  const another = p.getByRole('button', { name: 'New matter…' });
  await another.or(p.getByPlaceholder('Doe v. Acme')).first().waitFor();
  if (await another.isVisible()) await another.click();
  await p.getByPlaceholder('Doe v. Acme').fill('Browser v. Cold');
  await p.getByPlaceholder('24-CV-1182').fill('B-1');
  await p.getByLabel('Due on').fill('2039-01-31');
  await p.getByLabel('Why recordings are brought back').fill('Subpoena');
  await p.getByRole('button', { name: 'Open matter' }).click();
  await p.getByRole('heading', { name: 'Browser v. Cold' }).waitFor();
  await p.getByText('Makes the deadline', { exact: true }).waitFor();
  // The fastest, so that the test need not wait for the cheapest.
  await p.getByLabel('Speed').selectOption('expedited');
  await p.getByText('Expedited: ').first().waitFor();
  await p.getByRole('button', { name: /^Approve and bring back: costs/ }).click();
  await p.getByText('All 1 verified').waitFor();
  await p.keyboard.press('e');
  await p.getByRole('button', { name: 'Export', exact: true }).click();
  await p.getByText('How to check a package').waitFor();

  await p.getByRole('link', { name: /^Call: / }).click();
  await p.getByText('Chain of custody').waitFor();
  await p.keyboard.press('k');
  const reason = p.getByLabel('Reason');
  await reason.or(p.getByRole('button', { name: 'Pause' })).first().waitFor();
  if (await reason.isVisible()) {
    await p.keyboard.type('Preparation of the hearing');
    await p.keyboard.press('Control+Enter');
  }
  await p.waitForFunction(() => Number(document.querySelector('[role=slider]').getAttribute('aria-valuenow')) >= 1);
  await p.keyboard.press('s');
  await p.getByRole('button', { name: 'Play' }).waitFor();
  assert.deepEqual(p.complaints, []);
  await p.context().close();
  assert.equal((await cli('ledger', 'verify')).outcome, 'verified');
  const entries = (await cli('ledger', 'show', '--id', cold.archive_id)).entries;
  const played = entries.filter((e) => e.action === 'playback');
  assert.deepEqual(played.map((e) => e.phase), ['intent', 'outcome']);
});
