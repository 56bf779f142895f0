// The main job in the real window, with the archive in each cloud. The rehydration outlasts the window: it is closed, hours pass, it is
// opened again.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { join } from 'node:path';
import { PAIRS, site } from '../clouds.mjs';
import { openWindow } from './driver.mjs';

const app = join(process.env.HOLDFAST_BIN, 'holdfast-app');
const tauriDriver = process.env.TAURI_DRIVER;

async function mainJob(pair) {
  const s = await site(pair);
  const inWindow = async (job) => {
    const { window, close } = await openWindow({ app, home: s.home, tauriDriver, env: s.env });
    try {
      await window.see('newest first');
      await job(window);
    } finally {
      await close();
    }
  };
  try {
    await inWindow(async (w) => {
      // All three are billing's, so that only after another search it shows that this one has ended.
      await w.press('/', 'nobody', '{Enter}');
      await w.see('Nothing matches');
      await w.press('/', 'billing', '{Enter}');
      await w.until('three results', 'return document.querySelector("[role=grid]")?.getAttribute("aria-rowcount") === "4"');
      await w.run('document.querySelector("[role=grid]").focus()');
      await w.press('{Space}', '{Down}', '{Space}', '{Down}', '{Space}');
      await w.see('3 selected');
      await w.addToNewMatter({ name: 'Cloud v. Cold', reference: 'C-1', due: '2039-01-31', reason: 'Subpoena' });
      await w.openMatter('Cloud v. Cold');
      await w.see('Make a plan');
      await w.press('p');
      await w.see('Approve and bring back');
      await w.press('b', '{Enter}');
      await w.see('On its way');
    });
    await s.pass(pair.seconds);
    await inWindow(async (w) => {
      await w.openMatter('Cloud v. Cold');
      await w.see('All 3 verified', 90_000);
      await w.exportMatter();
    });
    assert.equal((await s.cli('matter', 'list')).find((m) => m.reference === 'C-1').verified, 3);
    assert.equal((await s.cli('ledger', 'verify')).outcome, 'verified');
  } finally {
    s.end();
  }
}

for (const pair of PAIRS) test(`the main job from ${pair.title}`, () => mainJob(pair));
