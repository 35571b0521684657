/**
 * The server of static sites. It runs as an application of its own, outside of the platform, so its
 * text is written to a file and started with the application's Node. The functions below are that
 * text: they refer to each other and to nothing else, imports included.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';

interface FoundFile {
  readonly path: string;
  readonly size: number;
  readonly modifiedMs: number;
}

function contentType(extension: string): string {
  const types: Record<string, string> = {
    '.html': 'text/html; charset=utf-8',
    '.css': 'text/css; charset=utf-8',
    '.js': 'text/javascript; charset=utf-8',
    '.mjs': 'text/javascript; charset=utf-8',
    '.json': 'application/json',
    '.map': 'application/json',
    '.txt': 'text/plain; charset=utf-8',
    '.xml': 'application/xml',
    '.svg': 'image/svg+xml',
    '.png': 'image/png',
    '.jpg': 'image/jpeg',
    '.jpeg': 'image/jpeg',
    '.gif': 'image/gif',
    '.webp': 'image/webp',
    '.avif': 'image/avif',
    '.ico': 'image/x-icon',
    '.woff': 'font/woff',
    '.woff2': 'font/woff2',
    '.wasm': 'application/wasm',
    '.pdf': 'application/pdf',
  };
  return types[extension.toLowerCase()] ?? 'application/octet-stream';
}

/** The file behind a path of the site. A link may lead out of it: what lies there is nobody's. */
function findFile(base: string, path: string): FoundFile | undefined {
  const { realpathSync, statSync } = process.getBuiltinModule('node:fs');
  const { join } = process.getBuiltinModule('node:path');
  try {
    const file = realpathSync(join(base, path));
    if (file !== base && !file.startsWith(`${base}/`)) return undefined;
    const found = statSync(file);
    if (found.isDirectory()) return findFile(base, join(path, 'index.html'));
    if (!found.isFile()) return undefined;
    return { path: file, size: found.size, modifiedMs: Math.floor(found.mtimeMs) };
  } catch {
    return undefined;
  }
}

/** What a path is answered with: the status, and the file if there is one. */
function route(base: string, path: string): { status: number; file: FoundFile | undefined } {
  const { extname } = process.getBuiltinModule('node:path');
  // Dot files (.env, .git) are no part of a site.
  const hidden = path.split('/').some((part) => part.startsWith('.') && part !== '.well-known');
  const file = hidden ? undefined : (findFile(base, path) ?? findFile(base, `${path}.html`));
  if (file !== undefined) return { status: 200, file };
  const missing = findFile(base, '/404.html');
  if (missing !== undefined) return { status: 404, file: missing };
  // A path that only the site's own router knows is answered with its start page, unless the site
  // says by a 404.html that it has no router.
  if (hidden || extname(path) !== '') return { status: 404, file: undefined };
  const start = findFile(base, '/index.html');
  return { status: start === undefined ? 404 : 200, file: start };
}

/** The path of a request without its query; undefined where it is not one. */
function pathOf(url: string): string | undefined {
  const { normalize } = process.getBuiltinModule('node:path');
  try {
    const path = normalize(`/${decodeURIComponent(url.split('?')[0] ?? '/')}`);
    return path.includes('\0') ? undefined : path;
  } catch {
    return undefined;
  }
}

function answer(base: string, request: IncomingMessage, response: ServerResponse): void {
  const { createReadStream } = process.getBuiltinModule('node:fs');
  const { extname } = process.getBuiltinModule('node:path');
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.writeHead(405, { allow: 'GET, HEAD' }).end();
    return;
  }
  const path = pathOf(request.url ?? '/');
  if (path === undefined) {
    response.writeHead(400).end();
    return;
  }
  const { status, file } = route(base, path);
  if (file === undefined) {
    response.writeHead(status, { 'content-type': contentType('.txt') }).end('Not found\n');
    return;
  }
  const etag = `"${file.size.toString(16)}-${file.modifiedMs.toString(16)}"`;
  const headers = {
    'content-type': contentType(extname(file.path)),
    'cache-control': 'no-cache',
    etag,
  };
  if (status === 200 && request.headers['if-none-match'] === etag) {
    response.writeHead(304, headers).end();
    return;
  }
  response.writeHead(status, { ...headers, 'content-length': file.size });
  if (request.method === 'HEAD') response.end();
  else {
    createReadStream(file.path)
      .once('error', () => response.destroy())
      .pipe(response);
  }
}

function serveStatic(root: string, port: number): void {
  const { createServer } = process.getBuiltinModule('node:http');
  const base = process.getBuiltinModule('node:fs').realpathSync(root);
  const server = createServer((request, response) => answer(base, request, response));
  server.listen(port, '127.0.0.1', () => {
    process.stdout.write(`Serving the static site on port ${port}\n`);
  });
  process.once('SIGTERM', () => server.close());
}

/** The program's text: `node static-server.mjs FOLDER`, with the port in `PORT`. */
export function staticServerProgram(): string {
  const parts = [contentType, findFile, route, pathOf, answer, serveStatic];
  // By its name as it is here: a bundler may have changed it, in the calls as well.
  const call = `${serveStatic.name}(process.argv[2], Number(process.env.PORT));`;
  return `${[...parts.map(String), call].join('\n\n')}\n`;
}
