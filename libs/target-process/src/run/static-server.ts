/**
 * The server of static sites. It runs as an application of its own, outside of the platform, so it
 * is one self-contained function: its text is written to a file and started with the application's
 * Node. It must not refer to anything outside of itself, imports included.
 */
export function serveStatic(root: string, port: number): void {
  const { createServer } = process.getBuiltinModule('node:http');
  const { createReadStream, realpathSync, statSync } = process.getBuiltinModule('node:fs');
  const { extname, join, normalize } = process.getBuiltinModule('node:path');
  const base = realpathSync(root);
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

  // A link may lead out of the site; what lies there is nobody's to read. Dot files are not a site.
  function find(path: string): { file: string; size: number; modified: Date } | undefined {
    try {
      if (path.split('/').some((part) => part.startsWith('.') && part !== '.well-known')) return;
      const file = realpathSync(join(base, path));
      if (file !== base && !file.startsWith(`${base}/`)) return;
      const found = statSync(file);
      if (found.isDirectory()) return find(join(path, 'index.html'));
      return found.isFile() ? { file, size: found.size, modified: found.mtime } : undefined;
    } catch {
      return;
    }
  }

  const server = createServer((request, response) => {
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.writeHead(405, { allow: 'GET, HEAD' }).end();
      return;
    }
    let path: string;
    try {
      path = normalize(`/${decodeURIComponent((request.url ?? '/').split('?')[0] ?? '/')}`);
    } catch {
      response.writeHead(400).end();
      return;
    }
    if (path.includes('\0')) {
      response.writeHead(400).end();
      return;
    }
    // The path of a page that the site's own router knows is answered with its start page.
    const asset = extname(path) !== '';
    const found = find(path) ?? find(`${path}.html`) ?? (asset ? undefined : find('/index.html'));
    if (found === undefined) {
      response.writeHead(404, { 'content-type': 'text/plain; charset=utf-8' }).end('Not found\n');
      return;
    }
    const etag = `"${found.size.toString(16)}-${found.modified.getTime().toString(16)}"`;
    const headers = {
      'content-type': types[extname(found.file).toLowerCase()] ?? 'application/octet-stream',
      'cache-control': 'no-cache',
      etag,
    };
    if (request.headers['if-none-match'] === etag) {
      response.writeHead(304, headers).end();
      return;
    }
    response.writeHead(200, { ...headers, 'content-length': found.size });
    if (request.method === 'HEAD') {
      response.end();
      return;
    }
    createReadStream(found.file)
      .once('error', () => response.destroy())
      .pipe(response);
  });
  server.listen(port, '127.0.0.1', () => {
    process.stdout.write(`Serving the static site on port ${port}\n`);
  });
  process.once('SIGTERM', () => server.close());
}

/** The program's text: `node static-server.mjs FOLDER`, with the port in `PORT`. */
export function staticServerProgram(): string {
  return `${serveStatic.toString()}\nserveStatic(process.argv[2], Number(process.env.PORT));\n`;
}
