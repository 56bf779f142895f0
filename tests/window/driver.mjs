// The real window, driven over WebDriver through tauri-driver, on a display that nobody sees.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const ELEMENT = 'element-6066-11e4-a52e-4f735466cecf';
const PATIENCE_MS = 20_000;

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

async function until(what, ask, patience = PATIENCE_MS) {
  const end = Date.now() + patience;
  for (let last; ; ) {
    try {
      const answer = await ask();
      if (answer) return answer;
    } catch (e) {
      last = e;
    }
    if (Date.now() > end) throw new Error(`waited in vain for ${what}${last ? `: ${last.message}` : ''}`);
    await new Promise((r) => setTimeout(r, 50));
  }
}

/** Starts a display, the driver and the window; all are ended by `close`. */
export async function openWindow({ app, home, tauriDriver, sound = false, env: more = {} }) {
  for (const file of [app, tauriDriver, '/usr/bin/WebKitWebDriver', '/usr/bin/Xvfb']) if (!existsSync(file)) throw new Error(`${file} is missing`);
  const children = [];
  const start = (command, args, options) => {
    const child = spawn(command, args, { stdio: ['ignore', 'inherit', 'inherit'], ...options });
    children.push(child);
    return child;
  };
  const close = async () => {
    for (const child of children.reverse()) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      child.kill('SIGTERM');
      await once(child, 'exit');
    }
  };
  try {
    const x = start('Xvfb', ['-displayfd', '3', '-screen', '0', '1360x900x24', '-nolisten', 'tcp'], { stdio: ['ignore', 'ignore', 'ignore', 'pipe'] });
    const [number] = await once(x.stdio[3], 'data');
    const display = `:${String(number).trim()}`;
    const env = sound ? { ...more, ...(await loudspeaker(start)) } : more;
    const [port, nativePort] = [await freePort(), await freePort()];
    start(tauriDriver, ['--port', String(port), '--native-port', String(nativePort)], {
      env: { ...process.env, ...env, DISPLAY: display, HOLDFAST_HOME: home, WEBKIT_DISABLE_COMPOSITING_MODE: '1', LIBGL_ALWAYS_SOFTWARE: '1' },
    });
    const base = `http://127.0.0.1:${port}`;
    await until('tauri-driver', async () => (await fetch(`${base}/status`)).ok);
    const window = new Window(base, display);
    await window.begin(app);
    return { window, display, close: async () => { await window.end(); await close(); } };
  } catch (e) {
    await close();
    throw e;
  }
}

/** A sound server of its own whose loudspeaker is nowhere. */
async function loudspeaker(start) {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-sound-'));
  const socket = join(folder, 'native');
  const script = join(folder, 'default.pa');
  writeFileSync(script, `load-module module-null-sink sink_name=nowhere\nset-default-sink nowhere\nload-module module-native-protocol-unix auth-anonymous=1 socket=${socket}\n`);
  start('pulseaudio', ['-n', '-F', script, '--daemonize=no', '--exit-idle-time=-1', '--use-pid-file=no', '--disallow-exit'], {
    stdio: 'ignore',
    env: { ...process.env, HOME: folder, XDG_RUNTIME_DIR: folder, XDG_CONFIG_HOME: folder },
  });
  await until('the sound server', () => existsSync(socket));
  return { PULSE_SERVER: `unix:${socket}` };
}

class Window {
  constructor(base, display) {
    this.base = base;
    this.display = display;
  }

  async send(method, path, body) {
    const answer = await fetch(this.base + path, { method, headers: { 'content-type': 'application/json' }, ...(body === undefined ? {} : { body: JSON.stringify(body) }) });
    const { value } = await answer.json();
    if (!answer.ok) throw new Error(`${value?.error}: ${value?.message}`);
    return value;
  }

  async begin(app) {
    const { sessionId } = await this.send('POST', '/session', { capabilities: { alwaysMatch: { 'tauri:options': { application: app } } } });
    this.path = `/session/${sessionId}`;
  }

  async end() {
    if (this.path) await this.send('DELETE', this.path);
  }

  run(script, ...args) {
    return this.send('POST', `${this.path}/execute/sync`, { script, args });
  }

  async find(css) {
    const found = await this.send('POST', `${this.path}/element`, { using: 'css selector', value: css });
    return found[ELEMENT];
  }

  /** Presses keys as a person would: a string is typed, `{Enter}` and the like are keys. */
  async press(...keys) {
    const CODES = { '{Enter}': '\uE007', '{Tab}': '\uE004', '{Escape}': '\uE00C', '{Down}': '\uE015', '{Space}': ' ', '{Right}': '\uE014' };
    const actions = keys.flatMap((k) => (CODES[k] ? [CODES[k]] : [...k])).flatMap((value) => [{ type: 'keyDown', value }, { type: 'keyUp', value }]);
    await this.send('POST', `${this.path}/actions`, { actions: [{ type: 'key', id: 'keyboard', actions }] });
  }

  text(css) {
    return this.run('return document.querySelector(arguments[0])?.textContent ?? ""', css);
  }

  /** Waits until the page shows `words`. */
  see(words, patience = PATIENCE_MS) {
    return until(`“${words}”`, () => this.run('return document.body.innerText.includes(arguments[0])', words), patience);
  }

  until(what, script, ...args) {
    return until(what, () => this.run(script, ...args));
  }

  /** Puts `value` into the field of the open dialog, as typing does. */
  fill(css, value) {
    return this.run('const e = document.querySelector(arguments[0]); e.value = arguments[1]; e.dispatchEvent(new Event("input", { bubbles: true }));', `dialog ${css}`, value);
  }

  /** Adds what is selected in the search to a new matter. */
  async addToNewMatter({ name, reference, due, reason }) {
    await this.press('a');
    await this.until('the dialog', 'return document.querySelector("dialog[open]") !== null');
    await this.until('its matters', 'return document.querySelector("dialog input[type=radio], dialog input[required]") !== null');
    await this.run('[...document.querySelectorAll("dialog button")].find((b) => b.textContent === "New matter…")?.click()');
    await this.until('the form', 'return document.querySelector("dialog input[placeholder=\'Doe v. Acme\']") !== null');
    await this.fill("input[placeholder='Doe v. Acme']", name);
    await this.fill("input[placeholder='24-CV-1182']", reference);
    await this.fill('input[type=date]', due);
    await this.fill('textarea', reason);
    await this.run('document.querySelector("dialog form").requestSubmit()');
    await this.see(`added to ${name}`);
  }

  /** Opens a matter from the list of matters. */
  async openMatter(name) {
    await this.press('g', 'm');
    await this.until('the matter', 'return [...document.querySelectorAll("main a")].some((a) => a.textContent === arguments[0])', name);
    await this.run('[...document.querySelectorAll("main a")].find((a) => a.textContent === arguments[0]).focus()', name);
    await this.press('{Enter}');
  }

  /** Exports the matter that is open. */
  async exportMatter() {
    await this.press('e');
    await this.until('the dialog', 'return document.querySelector("dialog[open]") !== null');
    await this.run('document.querySelector("dialog form").requestSubmit()');
    await this.see('How to check a package');
  }

  async screenshot() {
    return Buffer.from(await this.send('GET', `${this.path}/screenshot`), 'base64');
  }
}
