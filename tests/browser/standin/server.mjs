// Serves the built pages and the stand-in archive as `holdfast serve` would: the same routes, policy and headers.
import { createReadStream, existsSync } from 'node:fs';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Archive } from './archive.mjs';
import { wav } from './data.mjs';

const DIST = fileURLToPath(new URL('../../../ui/dist/', import.meta.url));
const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml' };
const POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const SOUND = wav(3);

/** Starts a stand-in with `rows` recordings; answers with its address, its archive and the way to end it. */
export async function standIn(rows) {
  if (!existsSync(join(DIST, 'index.html'))) throw new Error('build the pages first: npm --prefix ui ci && npm --prefix ui run build');
  const listeners = new Set();
  const archive = new Archive(rows, (event) => listeners.forEach((l) => l.write(`data: ${JSON.stringify(event)}\n\n`)));
  // `matters` is the collection and a command at once.
  const commands = { matters: () => archive.matters_list() };

  const server = createServer(async (request, response) => {
    const { pathname } = new URL(request.url, 'http://127.0.0.1');
    if (pathname === '/session') return response.writeHead(204).end();
    if (pathname === '/events') {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).write(':\n\n');
      listeners.add(response);
      return void request.on('close', () => listeners.delete(response));
    }
    if (pathname.startsWith('/media/')) return media(request, response);
    if (pathname.startsWith('/api/')) {
      let body = '';
      for await (const chunk of request) body += chunk;
      const command = pathname.slice(5);
      try {
        const args = JSON.parse(body);
        if (commands[command]) archive.asked.push({ command, request: args });
        const answer = commands[command] ? commands[command](args) : archive.call(command, args);
        response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
      } catch (e) {
        if (!e.api) throw e;
        response.writeHead(400, { 'content-type': 'application/json' }).end(JSON.stringify({ error: e.api }));
      }
      return undefined;
    }
    const file = join(DIST, normalize(pathname === '/' ? '/index.html' : pathname));
    if (!file.startsWith(DIST) || !existsSync(file)) return response.writeHead(404).end();
    response.writeHead(200, { 'content-type': TYPES[extname(file)] ?? 'application/octet-stream', 'content-security-policy': POLICY });
    return void createReadStream(file).pipe(response);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    address: `http://127.0.0.1:${server.address().port}/`,
    archive,
    close: () => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(resolve));
    },
  };
}

function media(request, response) {
  const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '');
  const from = range ? Number(range[1]) : 0;
  const to = range?.[2] ? Math.min(Number(range[2]), SOUND.length - 1) : SOUND.length - 1;
  const head = { 'content-type': 'audio/wav', 'accept-ranges': 'bytes', 'content-length': to - from + 1 };
  response.writeHead(range ? 206 : 200, range ? { ...head, 'content-range': `bytes ${from}-${to}/${SOUND.length}` } : head);
  response.end(SOUND.subarray(from, to + 1));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { address } = await standIn(Number(process.argv[2] ?? 600));
  process.stdout.write(`${address}\n`);
}
