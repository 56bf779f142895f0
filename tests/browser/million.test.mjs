// A million results in one list.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { launch, page } from './browser.mjs';
import { idOf } from './standin/data.mjs';
import { standIn } from './standin/server.mjs';

const ROWS = 1_000_000;
let server;
let browser;
before(async () => {
  server = await standIn(ROWS);
  browser = await launch();
});
after(async () => {
  await browser.close();
  await server.close();
});

async function open() {
  const p = await page(browser);
  await p.goto(server.address);
  await p.locator('#row-3').waitFor();
  return p;
}
const searches = () => server.archive.asked.filter((a) => a.command === 'search').length;
const interaction = (i) => `conv-${100000 + i}`;

test('End reaches the very last row, Home the first, in a few searches', async () => {
  const p = await open();
  const before = searches();
  await p.getByRole('grid').focus();
  await p.keyboard.press('End');
  await p.locator(`#row-${ROWS - 1}`).getByText(interaction(ROWS - 1)).waitFor();
  assert.equal(await p.locator(`#row-${ROWS - 1}`).getAttribute('aria-rowindex'), String(ROWS + 1));
  const box = await p.locator(`#row-${ROWS - 1}`).boundingBox();
  const grid = await p.getByRole('grid').boundingBox();
  assert.ok(box.y + box.height <= grid.y + grid.height + 1, 'the last row is wholly seen');
  assert.ok(searches() - before < 25, `${searches() - before} searches`);
  await p.keyboard.press('Home');
  await p.locator('#row-0').getByText(interaction(0)).waitFor();
  assert.deepEqual(p.complaints, []);
  await p.context().close();
});

test('dragging the scrollbar to the middle shows the middle', async () => {
  const p = await open();
  await p.evaluate(() => {
    const grid = document.querySelector('[role=grid]');
    grid.scrollTop = (grid.scrollHeight - grid.clientHeight) / 2;
  });
  await p.waitForFunction(() => [...document.querySelectorAll('[role=grid] .line[id]')].every((r) => r.querySelectorAll('[role=gridcell]').length > 1));
  const first = Number((await p.locator('[role=grid] .line[id]').first().getAttribute('id')).slice(4));
  assert.ok(Math.abs(first - ROWS / 2) < 100, `row ${first}`);
  await p.locator(`#row-${first}`).getByText(interaction(first)).waitFor();
  await p.context().close();
});

test('the wheel moves by true pixels, no row is ever jumped over', async () => {
  const p = await open();
  const grid = await p.getByRole('grid').boundingBox();
  await p.mouse.move(grid.x + 200, grid.y + 200);
  await p.getByRole('grid').focus();
  for (let i = 0; i < 10; i += 1) await p.keyboard.press('PageDown');
  const at = () => p.locator('[role=grid] .line[id]').first().evaluate((e) => Number(e.id.slice(4)));
  const before = await at();
  for (let i = 0; i < 5; i += 1) await p.mouse.wheel(0, 92);
  await p.waitForFunction((n) => Number(document.querySelector('[role=grid] .line[id]').id.slice(4)) >= n, before + 10);
  assert.equal(await at(), before + 10);
  await p.context().close();
});

test('a range over rows that were never shown is selected whole', async () => {
  const p = await open();
  await p.locator('#row-1').click();
  await p.getByRole('grid').focus();
  for (let i = 0; i < 25; i += 1) await p.keyboard.press('PageDown');
  const to = Number((await p.getByRole('grid').getAttribute('aria-activedescendant')).slice(4));
  await p.locator(`#row-${to}`).click({ modifiers: ['Shift'] });
  await p.getByText(/selected$/).first().waitFor();
  // The click above moved the anchor with PageDown: select again from the top.
  await p.keyboard.press('Home');
  await p.keyboard.press('Shift+PageDown');
  await p.getByText(/^\d+ selected$/).first().waitFor();
  await p.keyboard.press('a');
  await p.getByRole('dialog').waitFor();
  await p.getByRole('button', { name: 'Add', exact: true }).click();
  await p.getByText(/added to Doe v. Acme/).first().waitFor();
  const { ids } = server.archive.asked.findLast((a) => a.command === 'matter_add').request;
  assert.deepEqual(ids, ids.map((_, i) => idOf(i)));
  assert.ok(ids.length > 5);
  await p.context().close();
});

test('selecting all of a million is refused in words', async () => {
  const p = await open();
  await p.getByRole('grid').focus();
  await p.keyboard.press('Control+a');
  await p.getByText('At most 20,000 recordings can be selected at once.').first().waitFor();
  await p.context().close();
});
