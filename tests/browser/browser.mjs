// Debian's Chromium without a display, and axe.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { chromium } from 'playwright-core';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

export function launch() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--autoplay-policy=no-user-gesture-required'],
  });
}

/** A page that remembers what it complained of: a refused policy, an exception, an error on the console. */
export async function page(browser, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1360, height: 860 }, locale: 'en-GB', timezoneId: 'UTC', reducedMotion: 'reduce', ...options });
  const made = await context.newPage();
  const complaints = [];
  made.on('pageerror', (e) => complaints.push(String(e)));
  made.on('console', (m) => {
    // An answer that refuses is a page's business, not a fault of it.
    if (m.type() === 'error' && !m.text().startsWith('Failed to load resource')) complaints.push(m.text());
  });
  made.complaints = complaints;
  return made;
}

/** What axe objects to on the page as it is, one line each. */
export async function violations(made) {
  // Through the debugger, which the page's content policy does not bind.
  await made.evaluate(AXE);
  const found = await made.evaluate(() => globalThis.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }));
  return found.violations.flatMap((v) => v.nodes.map((n) => `${v.id}: ${n.target.join(' ')}: ${n.failureSummary?.split('\n')[1]?.trim() ?? v.help}`));
}
