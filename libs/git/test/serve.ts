import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface ServedGit {
  readonly url: string;
  /** What arrived in `Authorization`, decoded. */
  readonly seen: string[];
  close(): Promise<void>;
}

export interface ServeOptions {
  readonly root: string;
  readonly login?: string;
  /** Called within each request that brought the right login. */
  readonly onAuthorized?: () => void;
  /** Answers every request with a redirect to this origin. */
  readonly redirectTo?: string;
  /** Protocol 0 servers give out tips only, unless configured otherwise. */
  readonly tipsOnly?: boolean;
}

/** Repositories below `root` behind `git http-backend`, as a Git host would serve them. */
export async function serveGit(options: ServeOptions): Promise<ServedGit> {
  const seen: string[] = [];
  const children = new Set<ChildProcess>();
  const server = createServer((request, response) => {
    const basic = request.headers.authorization?.replace(/^Basic /, '');
    if (basic !== undefined) seen.push(Buffer.from(basic, 'base64').toString());
    if (options.redirectTo !== undefined) {
      response.writeHead(301, { location: options.redirectTo + request.url }).end();
      return;
    }
    if (options.login !== undefined && seen.at(-1) !== options.login) {
      response.writeHead(401, { 'www-authenticate': 'Basic realm="git"' }).end();
      return;
    }
    if (options.login !== undefined) options.onAuthorized?.();
    const url = new URL(request.url ?? '/', 'http://x');
    const child = spawn('git', ['http-backend'], {
      env: {
        PATH: process.env.PATH,
        GIT_PROJECT_ROOT: options.root,
        GIT_HTTP_EXPORT_ALL: '1',
        PATH_INFO: url.pathname,
        QUERY_STRING: url.search.slice(1),
        REQUEST_METHOD: request.method,
        CONTENT_TYPE: request.headers['content-type'] ?? '',
        REMOTE_USER: 'test',
        ...(request.headers['content-encoding'] === 'gzip'
          ? { HTTP_CONTENT_ENCODING: 'gzip' }
          : {}),
        ...(options.tipsOnly
          ? {}
          : { GIT_PROTOCOL: String(request.headers['git-protocol'] ?? '') }),
      },
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    children.add(child);
    request.pipe(child.stdin);
    const chunks: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
    child.on('close', () => {
      children.delete(child);
      const answer = Buffer.concat(chunks);
      const split = answer.indexOf('\r\n\r\n');
      const fields = answer.subarray(0, split).toString().split('\r\n');
      const status = fields.find((field) => field.startsWith('Status: '))?.slice(8, 11) ?? '200';
      const headers = fields
        .filter((field) => !field.startsWith('Status: '))
        .map((field) => field.split(': ', 2) as [string, string]);
      response.writeHead(Number(status), headers.flat()).end(answer.subarray(split + 4));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen,
    async close() {
      for (const child of children) child.kill('SIGKILL');
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
