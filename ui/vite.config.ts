import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig, loadEnv } from 'vite';

// `npm run dev` talks to a running `holdfast serve` (or the tests' stand-in): HOLDFAST_SERVE=http://127.0.0.1:PORT
const serve = loadEnv('', '.', 'HOLDFAST_')['HOLDFAST_SERVE'] ?? 'http://127.0.0.1:7420';
const forward = { target: serve, changeOrigin: true, headers: { origin: serve } };

export default defineConfig({
  plugins: [svelte()],
  base: './',
  server: { host: '127.0.0.1', port: 5173, strictPort: true, proxy: { '/api': forward, '/events': forward, '/media': forward, '/session': forward } },
  // The policy of pages allows no inline script, style or data URL: nothing may be inlined.
  build: { target: 'es2022', assetsInlineLimit: 0, modulePreload: { polyfill: false } },
});
