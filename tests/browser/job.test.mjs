// The main job, from the search to the package, by keyboard alone.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { launch, page } from './browser.mjs';
import { idOf } from './standin/data.mjs';
import { standIn } from './standin/server.mjs';

let server;
let browser;
before(async () => {
  server = await standIn(600);
  browser = await launch();
});
after(async () => {
  await browser.close();
  await server.close();
});

const asked = (command) => server.archive.asked.filter((a) => a.command === command).map((a) => a.request);
const focused = (p) => p.evaluate(() => {
  const e = document.activeElement;
  return e?.labels?.[0]?.textContent?.trim() || e?.textContent?.trim() || e?.getAttribute('aria-label');
});

/** Tabs until the focused thing says `text`. */
async function tabTo(p, text) {
  for (let i = 0; i < 60; i += 1) {
    if ((await focused(p))?.startsWith(text)) return;
    await p.keyboard.press('Tab');
  }
  assert.fail(`Tab never reached “${text}”`);
}

test('search, select, new matter, plan, approve, verified, play, export: no mouse', async () => {
  const p = await page(browser);
  await p.goto(server.address);
  await p.locator('#row-3').waitFor();

  await p.keyboard.press('/');
  await p.keyboard.type('priya');
  await p.getByText(/^150 recordings$/).waitFor();
  await p.keyboard.press('ArrowDown');
  await p.keyboard.press('Space');
  await p.keyboard.press('Shift+ArrowDown');
  await p.keyboard.press('Shift+ArrowDown');
  await p.getByText('3 selected').first().waitFor();

  await p.keyboard.press('a');
  await p.getByRole('dialog').waitFor();
  await tabTo(p, 'New matter…');
  await p.keyboard.press('Enter');
  await p.getByLabel('Name', { exact: true }).waitFor();
  await tabTo(p, 'Name');
  await p.keyboard.type('Roe v. Bank');
  await tabTo(p, 'Court or internal reference');
  await p.keyboard.type('26-CV-7');
  await tabTo(p, 'Due on');
  // Day or month first, as the browser's language has it: the same either way.
  await p.keyboard.type('12122030');
  await tabTo(p, 'Why recordings are brought back');
  await p.keyboard.type('Subpoena of 20 November');
  await tabTo(p, 'Open matter');
  await p.keyboard.press('Enter');
  await p.getByText('3 recordings added to Roe v. Bank').first().waitFor();
  assert.equal(asked('matter_create').length, 1);
  assert.match(asked('matter_create')[0].deadline, /^2030-12-12T17:00/);
  assert.deepEqual(asked('matter_add')[0].ids, [idOf(0), idOf(4), idOf(8)]);

  await p.keyboard.press('g');
  await p.keyboard.press('m');
  await p.getByRole('heading', { name: 'Matters' }).waitFor();
  await tabTo(p, 'Roe v. Bank');
  await p.keyboard.press('Enter');
  await p.getByRole('heading', { name: 'Roe v. Bank' }).waitFor();
  await p.keyboard.press('p');
  const approve = p.getByRole('button', { name: /^Approve and bring back: costs USD/ });
  await approve.waitFor();
  await tabTo(p, 'Approve and bring back');
  await p.keyboard.press('Enter');
  await p.getByText('All 3 verified').waitFor();

  await p.keyboard.press('e');
  await p.getByRole('dialog').waitFor();
  await tabTo(p, 'Export');
  await p.keyboard.press('Enter');
  await p.getByText('How to check a package').waitFor();
  assert.equal(asked('export').length, 1);

  await tabTo(p, 'Call: Ada Wren');
  await p.keyboard.press('Enter');
  await p.getByRole('heading', { name: /^Call: Ada Wren/ }).waitFor();
  await p.keyboard.press('k');
  await p.getByRole('dialog').waitFor();
  await p.keyboard.type('Preparation of the hearing');
  await p.keyboard.press('Control+Enter');
  await p.getByRole('button', { name: 'Pause' }).waitFor();
  await p.waitForFunction(() => Number(document.querySelector('[role=slider]').getAttribute('aria-valuenow')) >= 1);
  await p.keyboard.press('s');
  await p.getByRole('button', { name: 'Play' }).waitFor();
  assert.equal(asked('play')[0].reason, 'Preparation of the hearing');
  assert.deepEqual(asked('player').at(-1).action, { do: 'stop' });
  assert.deepEqual(p.complaints, []);
  await p.context().close();
});

test('what was selected is added, though a search ends while the dialog is open', async () => {
  const p = await page(browser);
  let answer;
  const held = new Promise((resolve) => { answer = resolve; });
  await p.route('**/api/search', async (route) => {
    if ((route.request().postData() ?? '').includes('priya')) await held;
    await route.continue();
  });
  await p.goto(server.address);
  await p.locator('#row-3').waitFor();
  await p.keyboard.press('/');
  const searching = p.waitForRequest((r) => (r.postData() ?? '').includes('priya'));
  await p.keyboard.type('priya');
  await searching;
  await p.keyboard.press('ArrowDown');
  await p.keyboard.press('Space');
  await p.keyboard.press('Shift+ArrowDown');
  await p.getByText('2 selected').first().waitFor();
  await p.keyboard.press('a');
  await p.getByRole('dialog').waitFor();
  answer();
  await p.getByText(/^150 recordings$/).waitFor();
  const before = asked('matter_add').length;
  await p.getByRole('button', { name: 'Add', exact: true }).click();
  await p.getByText(/^\d recordings? added to /).first().waitFor();
  assert.equal(asked('matter_add').length, before + 1);
  assert.equal(asked('matter_add').at(-1).ids.length, 2);
  await p.context().close();
});

test('a recording that failed verification says so in words and is not played', async () => {
  const p = await page(browser);
  await p.goto(`${server.address}#/recording/${idOf(2)}`);
  await p.getByText('Chain of custody').waitFor();
  await p.keyboard.press('v');
  await p.getByText('The bytes are not the ones that were archived.').waitFor();
  await p.getByText('Cannot be played now.').waitFor();
  const before = asked('play').length;
  await p.keyboard.press('k');
  assert.ok(await p.getByRole('button', { name: 'Play' }).isDisabled());
  assert.equal(asked('play').length, before);
  assert.equal(await p.locator('[aria-live=assertive]').textContent(), 'Verification: Failed');
  await p.context().close();
});

test('leaving a recording while it plays ends the playback', async () => {
  const p = await page(browser);
  await p.goto(`${server.address}#/recording/${idOf(12)}`);
  await p.getByText('Chain of custody').waitFor();
  await p.keyboard.press('k');
  await p.getByRole('button', { name: 'Pause' }).waitFor();
  const before = asked('player').length;
  await p.keyboard.press('g');
  await p.keyboard.press('j');
  await p.getByRole('heading', { name: 'Jobs' }).waitFor();
  await p.waitForFunction(() => true);
  for (let i = 0; asked('player').length === before && i < 50; i += 1) await new Promise((r) => setTimeout(r, 20));
  assert.deepEqual(asked('player').at(-1).action, { do: 'stop' });
  await p.context().close();
});

test('single keys can be switched off', async () => {
  const p = await page(browser);
  await p.goto(`${server.address}#/settings`);
  await p.getByLabel(/^Shortcuts of a single key/).uncheck();
  await p.keyboard.press('g');
  await p.keyboard.press('j');
  await p.getByRole('heading', { name: 'Settings', exact: true }).waitFor();
  assert.equal(await p.evaluate(() => location.hash), '#/settings');
  await p.context().close();
});

test('when Holdfast is gone, the page says what happened and what to do', async () => {
  const own = await standIn(10);
  const p = await page(browser);
  await p.goto(`${own.address}#/matters`);
  await p.getByText('Doe v. Acme').waitFor();
  await own.close();
  await p.getByText('No connection').waitFor();
  await p.keyboard.press('g');
  await p.keyboard.press('j');
  await p.getByText('Holdfast does not answer.').waitFor();
  await p.getByText('See that “holdfast serve” is still running').waitFor();
  await p.context().close();
});

test('a deadline that Deep Archive cannot make is refused in words, and approving it says how many are late', async () => {
  const own = await standIn(600);
  own.archive.seedRefused();
  const p = await page(browser);
  await p.goto(`${own.address}#/matters/M-77`);
  await p.getByRole('heading', { name: 'Writ of this morning' }).waitFor();
  await p.keyboard.press('p');
  await p.getByText('plan.class_too_slow').waitFor();
  const said = await p.locator('.refusal').innerText();
  assert.match(said, /S3 Glacier Deep Archive:/);
  assert.match(said, /lifecycle rule that keeps recordings for their first 412 days/);
  assert.match(said, /The earliest that can be promised/);
  await p.getByLabel('What is chosen').getByText('DEEP_ARCHIVE').waitFor();
  await p.getByLabel('What the cost is made of').getByText('Copies for 7 days, beside what is archived').waitFor();
  await p.keyboard.press('b');
  assert.match(await focused(p), /^Approve and bring back all the same, \d late: costs USD/);
  assert.deepEqual(p.complaints, []);
  await p.context().close();
  await own.close();
});

test('costs are counted and copied by keyboard', async () => {
  const own = await standIn(60);
  const p = await page(browser, { permissions: ['clipboard-read', 'clipboard-write'] });
  await p.goto(`${own.address}#/archiver`);
  await p.getByRole('heading', { name: 'Archiver' }).waitFor();
  await tabTo(p, 'Costs');
  await p.keyboard.press('Enter');
  await p.getByText('Nothing was counted yet').waitFor();
  await tabTo(p, 'Count now');
  await p.keyboard.press('Enter');
  await p.getByRole('row', { name: /S3 Glacier Deep Archive/ }).getByText('45.10').waitFor();
  await p.getByText('USD 12,092').waitFor();
  await tabTo(p, 'Copy as CSV');
  await p.keyboard.press('Enter');
  await p.getByText('The table was copied').first().waitFor();
  assert.match(await p.evaluate(() => navigator.clipboard.readText()), /^what,storage_class/);
  assert.deepEqual(own.archive.asked.filter((a) => a.command === 'costs').map((a) => a.request.count), [false, true]);
  assert.deepEqual(p.complaints, []);
  await p.context().close();
  await own.close();
});

test('a link is made by keyboard, shown once, and its time is at most two hours', async () => {
  const p = await page(browser, { permissions: ['clipboard-read', 'clipboard-write'] });
  await p.goto(`${server.address}#/recording/${idOf(3)}`);
  await p.getByRole('button', { name: 'Make a link…' }).waitFor();
  await p.keyboard.press('i');
  await p.getByRole('dialog').waitFor();
  assert.equal(await p.getByLabel('Works for').inputValue(), '3600');
  assert.deepEqual(await p.getByLabel('Works for').locator('option').evaluateAll((all) => all.map((o) => Number(o.value))), [900, 1800, 3600, 7200]);
  assert.ok(await p.getByRole('button', { name: 'Make the link' }).isDisabled(), 'not without a reason');
  await tabTo(p, 'Who gets it, and why');
  await p.keyboard.type('Counsel for Doe');
  await p.keyboard.press('Control+Enter');
  await p.getByText('Shown this once').waitFor();
  await tabTo(p, 'Copy');
  await p.keyboard.press('Enter');
  await p.getByRole('button', { name: /^Copied/ }).waitFor();
  assert.match(await p.evaluate(() => navigator.clipboard.readText()), /^https:\/\/acme-media\.s3/);
  assert.deepEqual(asked('link_make').at(-1), { valid_s: 3600, reason: 'Counsel for Doe', id: idOf(3) });
  await p.keyboard.press('Escape');
  await p.keyboard.press('i');
  await p.getByRole('button', { name: 'Make the link' }).waitFor();
  assert.equal(await p.getByText('X-Amz-Signature').count(), 0, 'the address is gone');
  assert.deepEqual(p.complaints, []);
  await p.context().close();
});

test('a credential is typed unseen, kept, and taken away again', async () => {
  const own = await standIn(10);
  const p = await page(browser);
  await p.goto(`${own.address}#/settings`);
  await p.getByRole('heading', { name: 'Settings', exact: true }).waitFor();
  await tabTo(p, 'Cloud');
  await p.keyboard.press('Enter');
  await p.getByText('assumed-role/holdfast-reader').waitFor();
  await tabTo(p, 'Enter… smtp-password');
  await p.keyboard.press('Enter');
  assert.equal(await p.getByLabel('Value').getAttribute('type'), 'password');
  await p.keyboard.type('hunter2');
  await p.keyboard.press('Enter');
  await p.getByRole('row', { name: /smtp-password/ }).getByText('Keyring').waitFor();
  assert.ok(!(await p.content()).includes('hunter2'));
  await tabTo(p, 'Remove… smtp-password');
  await p.keyboard.press('Enter');
  await tabTo(p, 'Remove');
  await p.keyboard.press('Enter');
  await p.getByRole('row', { name: /smtp-password/ }).getByText('none').waitFor();
  const asked = own.archive.asked.filter((a) => a.command.startsWith('credential_')).map((a) => a.command);
  assert.deepEqual(asked, ['credential_set', 'credential_clear']);
  assert.deepEqual(p.complaints, []);
  await p.context().close();
  await own.close();
});

test('preflight tells each check as it comes and what is missing by name', async () => {
  const own = await standIn(10);
  const p = await page(browser);
  await p.goto(`${own.address}#/settings/preflight`);
  await p.getByText('Not checked yet').waitFor();
  await tabTo(p, 'Check now');
  await p.keyboard.press('Enter');
  await p.getByText('1 check failed.').first().waitFor();
  assert.match(await p.getByRole('list').filter({ hasText: 'Missing:' }).innerText(), /s3:RestoreObject on acme-media/);
  assert.equal(await p.getByRole('row').count(), 5);
  assert.deepEqual(p.complaints, []);
  await p.context().close();
  await own.close();
});
