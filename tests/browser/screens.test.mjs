// Every screen and dialog, light and dark: nothing that axe objects to, nothing refused by the policy, no exception.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { soaking } from '../soak.mjs';
import { launch, page, violations } from './browser.mjs';
import { idOf } from './standin/data.mjs';
import { standIn } from './standin/server.mjs';

let server;
let browser;
before(async () => {
  server = await standIn(600);
  server.archive.seedRefused();
  browser = await launch();
});
after(async () => {
  await browser.close();
  await server.close();
});

/** The screen as listed below, ready and acted on. */
async function shown(options, [, hash, wait, act]) {
  server.archive.counted = null;
  const p = await page(browser, options);
  await p.goto(server.address + hash);
  await (wait === 'grid' ? p.locator('#row-0').or(p.getByText('Row 1…')) : p.getByText(wait).first()).first().waitFor();
  if (act) await act(p);
  return p;
}

const button = (name) => async (p) => p.getByRole('button', { name }).first().click();
const key = (k) => async (p) => p.keyboard.press(k);
const SCREENS = [
  ['search', '#/search', 'grid'],
  ['search, narrowed', '#/search?text=ada&queue=Billing', 'grid'],
  ['search, nothing found', '#/search?text=nothingofthekind&media=chat', 'Nothing matches'],
  ['search, filters', '#/search', 'grid', button('Filters')],
  ['recording', `#/recording/${idOf(9)}`, 'Chain of custody'],
  ['recording away', `#/recording/${idOf(1)}`, 'Cannot be played now'],
  ['recording, failed verification', `#/recording/${idOf(2)}`, 'Chain of custody', async (p) => { await p.keyboard.press('v'); await p.getByText('failed verification').first().waitFor(); }],
  ['recording, asked for a reason', `#/recording/${idOf(0)}`, 'Chain of custody', async (p) => { await p.keyboard.press('k'); await p.getByRole('dialog').waitFor(); }],
  ['transcript', `#/recording/${idOf(13 * 8 - 3)}`, 'I was charged twice'],
  ['add to matter', `#/recording/${idOf(3)}`, 'Chain of custody', async (p) => { await p.keyboard.press('a'); await p.getByRole('radio').first().waitFor(); }],
  ['matters', '#/matters', 'Doe v. Acme'],
  ['new matter', '#/matters', 'Doe v. Acme', key('n')],
  ['matter with its plan', '#/matters/M-1?plan=1', 'Approve and bring back', async (p) => p.getByText('Every recording, every option').click()],
  ['hold', '#/matters/M-1', 'Under legal hold', async (p) => { await p.keyboard.press('h'); await p.getByRole('dialog').waitFor(); }],
  ['empty matter', '#/matters/M-2', 'No recordings yet'],
  ['unknown matter', '#/matters/M-99', 'There is no such matter'],
  ['jobs', '#/jobs', 'Nothing is on its way'],
  ['archiver', '#/archiver', 'Quarantine'],
  ['quarantine', '#/archiver', 'Truncation detected', button(/^Decide…/)],
  ['make a link', `#/recording/${idOf(3)}`, 'Chain of custody', async (p) => { await p.getByRole('button', { name: /^Make (a link|links)/ }).click(); await p.getByRole('dialog').waitFor(); }],
  ['a link, made', `#/recording/${idOf(3)}`, 'Chain of custody', async (p) => { await p.getByRole('button', { name: /^Make (a link|links)/ }).click(); await p.getByLabel('Who gets it, and why').fill('Counsel for Doe'); await p.keyboard.press('Control+Enter'); await p.getByText('Shown this once').waitFor(); }],
  ['links of a matter, made', '#/matters/M-1', 'Under legal hold', async (p) => { await p.getByRole('button', { name: /^Make (a link|links)/ }).click(); await p.getByLabel('Who gets it, and why').fill('Counsel for Doe'); await p.keyboard.press('Control+Enter'); await p.getByText('a link to it would open nothing').first().waitFor(); }],
  ['notifications', '#/jobs', 'given up'],
  ['cloud', '#/settings/cloud', 'smtp-password', button('Send a trial')],
  ['enter a credential', '#/settings/cloud', 'smtp-password', async (p) => { await p.getByRole('button', { name: 'Enter… smtp-password' }).click(); await p.getByLabel('Value').waitFor(); }],
  ['remove a credential', '#/settings/cloud', 'smtp-password', async (p) => { await p.getByRole('button', { name: 'Remove… aws' }).click(); await p.getByRole('dialog').waitFor(); }],
  ['preflight, not run', '#/settings/preflight', 'Not checked yet'],
  ['preflight', '#/settings/preflight', 'Not checked yet', async (p) => { await p.getByRole('button', { name: 'Check now' }).click(); await p.getByText('What to mend').waitFor(); }],
  ['costs, nothing counted', '#/archiver/costs', 'Nothing was counted yet'],
  ['costs', '#/archiver/costs', 'Costs', async (p) => { await p.getByRole('button', { name: /^Count/ }).click(); await p.getByText('S3 Glacier Deep Archive').first().waitFor(); }],
  ['plan that is refused', '#/matters/M-77?plan=1', 'The earliest that can be promised'],
  ['custody', '#/custody', 'Signed checkpoint', async (p) => { await p.getByRole('button', { name: 'Check the whole ledger' }).click(); await p.getByText('This ledger is verified').waitFor(); }],
  ['settings', '#/settings', 'Settings in force'],
  ['help', '#/search', 'grid', key('?')],
];

for (const colorScheme of ['light', 'dark']) {
  for (const screen of SCREENS) {
    test(`${screen[0]}, ${colorScheme}`, async () => {
      const p = await shown({ colorScheme }, screen);
      assert.deepEqual(await violations(p), []);
      assert.deepEqual(p.complaints, []);
      await p.context().close();
    });
  }
}

const NARROW = { viewport: { width: 720, height: 800 } };
const overflow = (p) => p.evaluate(() => {
  const main = document.querySelector('main');
  return main.scrollWidth - main.clientWidth;
});

test('a narrow window keeps every screen usable without scrolling sideways', async () => {
  const p = await page(browser, NARROW);
  for (const hash of ['#/search', `#/recording/${idOf(9)}`, '#/matters', '#/matters/M-1', '#/archiver', '#/archiver/costs', '#/matters/M-77', '#/custody', '#/settings', '#/settings/cloud', '#/settings/preflight', '#/jobs']) {
    await p.goto(server.address + hash);
    await p.locator('main h1').first().waitFor({ state: 'attached' });
    const px = await overflow(p);
    assert.ok(px <= 0, `${hash}: ${px}px`);
    assert.deepEqual(await violations(p), [], hash);
  }
  await p.context().close();
});

// Every state and dialog in a narrow window, in both colour schemes.
for (const colorScheme of soaking ? ['light', 'dark'] : []) {
  for (const screen of SCREENS) {
    test(`${screen[0]}, narrow, ${colorScheme}`, async () => {
      const p = await shown({ colorScheme, ...NARROW }, screen);
      assert.ok((await overflow(p)) <= 0, `${await overflow(p)}px`);
      assert.deepEqual(await violations(p), []);
      assert.deepEqual(p.complaints, []);
      await p.context().close();
    });
  }
}
