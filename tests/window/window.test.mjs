// The main job once through the real window: WebKit, the bridge, Rust, a real archive. By keyboard.
//
// HOLDFAST_BIN: folder of the built executables (target/debug). HOLDFAST_SHOT: where to leave pictures (name.png).
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { openWindow } from './driver.mjs';

const run = promisify(execFile);
const BIN = process.env.HOLDFAST_BIN ?? 'target/debug';
const APP = join(BIN, 'holdfast-app');
const CLI = join(BIN, 'holdfast');
const DRIVER = process.env.TAURI_DRIVER ?? join(homedir(), '.cache/holdfast/tools/bin/tauri-driver');
const INTERACTIONS = '60';

let folder;
let home;
before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-window-'));
  home = join(folder, 'home');
  await run(CLI, ['--home', home, 'demo', '--no-open', '--interactions', INTERACTIONS], { timeout: 300_000 });
});
after(() => rmSync(folder, { recursive: true, force: true }));

const cli = async (...args) => JSON.parse((await run(CLI, ['--home', home, '--json', ...args])).stdout);

test('search, matter, plan, bring back, verified, export, play sound and screen in the window', async () => {
  // A cold recording that is not tampered with, found by its own interaction id.
  const cold = (await cli('search', '--media', 'voice', '--tier', 'cold', '--limit', '5')).results[0];
  const screen = (await cli('search', '--media', 'screen', '--limit', '1')).results[0];
  const { window: w, close } = await openWindow({ app: APP, home, tauriDriver: DRIVER, sound: true });
  try {
    await w.see('newest first');
    assert.equal(await w.run('return new Intl.NumberFormat().format(1)'), '1', 'the language is a real one');
    await w.press('/', cold.interaction_id, '{Enter}');
    await w.until('one result', 'return document.querySelector("[role=grid]")?.getAttribute("aria-rowcount") <= 4');
    await w.run('document.querySelector("[role=grid]").focus()');
    await w.press('{Space}');
    await w.see('1 selected');
    await w.addToNewMatter({ name: 'Window v. Keyboard', reference: 'W-1', due: '2039-01-31', reason: 'Subpoena' });

    // Another process of the same home puts the screen recording in.
    const mine = (await cli('matter', 'list')).find((m) => m.reference === 'W-1');
    await cli('matter', 'add', mine.matter_id, screen.archive_id);

    await w.openMatter('Window v. Keyboard');
    await w.see('Make a plan');
    // The fastest, so that the test need not wait for the cheapest.
    await w.run('const e = document.querySelector("main select"); e.value = "expedited"; e.dispatchEvent(new Event("change", { bubbles: true }));');
    await w.see('Approve and bring back');
    await w.press('b', '{Enter}');
    await w.see('All 2 verified');
    await w.exportMatter();

    for (const { archive_id } of [screen, cold]) {
      await w.run('location.hash = arguments[0]', `#/recording/${archive_id}`);
      await w.until('the recording', 'return location.hash.endsWith(arguments[0]) && document.querySelector("main .mono") !== null && document.body.innerText.includes(arguments[0])', archive_id);
      await w.press('k');
      await w.until('the reason', 'return document.querySelector("dialog textarea") === document.activeElement');
      await w.press('Hearing');
      await w.run('document.querySelector("dialog form").requestSubmit()');
      await w.until('it plays', 'return Number(document.querySelector("[role=slider]")?.getAttribute("aria-valuenow")) >= 1');
      if (archive_id === cold.archive_id) await w.until('the waveform', 'return document.querySelector("canvas")?.width > 0');
      await w.run('for (const b of document.querySelectorAll("[aria-label=Dismiss]")) b.click()');
      if (process.env.HOLDFAST_SHOT) writeFileSync(process.env.HOLDFAST_SHOT.replace(/(\.png)?$/, `-${archive_id === cold.archive_id ? 'voice' : 'screen'}.png`), await w.screenshot());
      await w.press('s');
      await w.until('it stopped', 'return [...document.querySelectorAll("button")].some((b) => b.textContent === "Stop" && b.disabled)');
    }
  } finally {
    await close();
  }
  // What the window did is what the console sees: the same ledger, and it holds.
  assert.equal((await cli('matter', 'list')).find((m) => m.reference === 'W-1').verified, 2);
  for (const { archive_id } of [screen, cold]) {
    const played = (await cli('ledger', 'show', '--id', archive_id)).entries.filter((e) => e.action === 'playback');
    assert.deepEqual(played.map((e) => [e.phase, e.outcome]), [['intent', null], ['outcome', 'succeeded']]);
  }
  assert.equal((await cli('ledger', 'verify')).outcome, 'verified');
});

test('without a display it says so and fails', async () => {
  const app = spawn(APP, ['--home', home], { env: { ...process.env, DISPLAY: '', WAYLAND_DISPLAY: '' }, stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  app.stderr.on('data', (d) => (said += d));
  const [code] = await once(app, 'exit');
  assert.equal(code, 1);
  assert.match(said, /there is no display here/);
  assert.doesNotMatch(said, /panicked/);
});

test('a second window of the same home folder gives way to the first', async () => {
  const { display, close } = await openWindow({ app: APP, home, tauriDriver: DRIVER });
  try {
    const { stderr } = await run(APP, ['--home', home], { env: { ...process.env, DISPLAY: display } });
    assert.match(stderr, /is open already/);
  } finally {
    await close();
  }
});

test('a home folder that cannot be opened is explained in the window', async () => {
  const file = join(folder, 'not-a-home');
  writeFileSync(join(folder, 'marker'), '');
  // A folder that belongs to something else: it has files, and none of them is ours.
  await run('mkdir', [file]);
  writeFileSync(join(file, 'somebody-elses.txt'), 'x');
  const { window: w, close } = await openWindow({ app: APP, home: file, tauriDriver: DRIVER });
  try {
    await w.see('Next:');
    assert.match(await w.text('.notice.bad .mono'), /^home\./);
  } finally {
    await close();
  }
});
