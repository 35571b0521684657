import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import {
  createServer,
  type IncomingMessage,
  type ServerResponse,
  request as startRequest,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Repository } from './environments.ts';

const run = promisify(execFile);

/**
 * Somebody else's Git host: the platform clones from it over HTTP, and hears of a push only what a
 * test posts to a webhook.
 */
export interface GitHost {
  /** Scheme, host and port. */
  readonly origin: string;
  createRepository(name: string): Promise<Required<Repository>>;
  [Symbol.asyncDispose](): Promise<void>;
}

export interface GitHostOptions {
  /** Without it everybody may read and write; with it only who presents this. */
  readonly login?: { readonly username: string; readonly password: string };
  /** Another server whose paths begin with `/api/`, at the same address as the repositories. */
  readonly apiUrl?: string;
}

export async function startGitHost(options: GitHostOptions = {}): Promise<GitHost> {
  const root = await mkdtemp(join(tmpdir(), 'pf-git-host-'));
  const server = createServer((request, response) => {
    answer(root, options, request, response).catch(() => response.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    origin: `http://127.0.0.1:${port}`,
    async createRepository(name) {
      const cloneUrl = join(root, `${name}.git`);
      await run('git', ['init', '--bare', '--quiet', '-b', 'main', cloneUrl]);
      // Hosts let one do that, and then serve a repository without its default branch.
      await run('git', ['-C', cloneUrl, 'config', 'receive.denyDeleteCurrent', 'ignore']);
      return { url: `http://127.0.0.1:${port}/${name}.git`, cloneUrl };
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
      await rm(root, { recursive: true, force: true });
    },
  };
}

async function answer(
  root: string,
  { login, apiUrl }: GitHostOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const path = request.url ?? '/';
  if (apiUrl !== undefined && path.startsWith('/api/')) {
    return await pass(new URL(path, apiUrl), request, response);
  }
  const presented = request.headers.authorization;
  const basic = login && `Basic ${btoa(`${login.username}:${login.password}`)}`;
  if (basic !== undefined && presented !== basic) {
    response.writeHead(401, { 'www-authenticate': 'Basic realm="git"' }).end();
    return;
  }
  await serve(root, request, response);
}

/** Hands a request on as it is. */
async function pass(url: URL, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { method, headers } = request;
  const onward = startRequest(url, { ...(method && { method }), headers });
  request.pipe(onward);
  const [got] = (await once(onward, 'response')) as [IncomingMessage];
  response.writeHead(got.statusCode ?? 502, got.headers);
  got.pipe(response);
}

/** `git http-backend`. */
async function serve(
  root: string,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://host');
  const child = spawn('git', ['http-backend'], {
    env: {
      PATH: process.env.PATH,
      GIT_PROJECT_ROOT: root,
      GIT_HTTP_EXPORT_ALL: '1',
      PATH_INFO: url.pathname,
      QUERY_STRING: url.search.slice(1),
      REQUEST_METHOD: request.method,
      CONTENT_TYPE: request.headers['content-type'] ?? '',
      HTTP_CONTENT_ENCODING: request.headers['content-encoding'] ?? '',
      GIT_PROTOCOL: String(request.headers['git-protocol'] ?? ''),
    },
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  child.stdin.on('error', () => undefined);
  request.pipe(child.stdin);
  const chunks: Buffer[] = [];
  for await (const chunk of child.stdout) chunks.push(chunk as Buffer);
  const answer = Buffer.concat(chunks);
  const end = answer.indexOf('\r\n\r\n');
  const fields = answer
    .subarray(0, end)
    .toString()
    .split('\r\n')
    .map((line) => line.split(': ', 2) as [string, string]);
  const status = fields.find(([name]) => name === 'Status')?.[1].slice(0, 3) ?? '200';
  const headers = fields.filter(([name]) => name !== 'Status');
  response.writeHead(Number(status), headers.flat()).end(answer.subarray(end + 4));
}
