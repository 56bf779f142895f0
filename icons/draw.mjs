// Draws the icons from icon.svg with a headless Chromium: node icons/draw.mjs (after npm ci in tests/browser).
import { readFileSync, writeFileSync } from 'node:fs';
import { launch } from '../tests/browser/browser.mjs';

const here = new URL('./', import.meta.url);
const svg = readFileSync(new URL('icon.svg', here), 'utf8');
const SIZES = { '32x32.png': 32, '128x128.png': 128, '128x128@2x.png': 256, 'icon.png': 512 };

const browser = await launch();
for (const [name, size] of Object.entries(SIZES)) {
  const page = await browser.newPage({ viewport: { width: size, height: size } });
  await page.setContent(`<style>*{margin:0}svg{display:block;width:${size}px;height:${size}px}</style>${svg}`);
  writeFileSync(new URL(name, here), await page.screenshot({ omitBackground: true }));
  await page.close();
}
await browser.close();
