// The main job in the pages, unchanged, with the archive in each cloud.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { serve, site, PAIRS } from '../clouds.mjs';
import { launch, page } from './browser.mjs';

/** From the search to the package; the rehydration takes hours. */
async function mainJob(pair) {
  const s = await site(pair);
  let server;
  let browser;
  try {
    server = await serve(s);
    browser = await launch();
    const p = await page(browser);
    await p.goto(server.address);
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
    await s.pass(pair.seconds);
    await p.getByText('All 3 verified').waitFor({ timeout: 90_000 });
    await p.keyboard.press('e');
    await p.getByRole('button', { name: 'Export', exact: true }).click();
    await p.getByText('How to check a package').waitFor();
    assert.deepEqual(p.complaints, []);
    assert.equal((await s.cli('ledger', 'verify')).outcome, 'verified');
    await p.context().close();
  } finally {
    await browser?.close();
    await server?.stop();
    s.end();
  }
}

for (const pair of PAIRS) test(`the main job from ${pair.title}`, () => mainJob(pair));
