/**
 * A Git provider's API inside the test's own process, with real state: hooks that it calls with the
 * provider's own signature, attempts that fail when nobody listens and are made again on request,
 * statuses, conditional requests, a limit of requests. Its answers have the shapes of the providers'
 * documents (held by `libs/git-providers/test/recorded.test.ts`).
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { systemClock } from '@pilotfish/kernel';
import { bitbucket } from './fake-git-provider/bitbucket.ts';
import { gitea } from './fake-git-provider/gitea.ts';
import { github } from './fake-git-provider/github.ts';
import { gitlab } from './fake-git-provider/gitlab.ts';
import {
  createWorld,
  type Dialect,
  etagOf,
  type FakeAnswer,
  type FakeKind,
  type FakeRepository,
  pushTo,
  recordOf,
} from './fake-git-provider/world.ts';

export type {
  FakeAttempt,
  FakeHook,
  FakeKind,
  FakeRepository,
  FakeStatus,
} from './fake-git-provider/world.ts';

/** How many requests are left until when. */
export interface FakeLimit {
  remaining: number;
  readonly resetAt: Temporal.Instant;
}

export interface FakeGitProvider {
  readonly kind: FakeKind;
  /** The API's address on the loopback. */
  readonly apiUrl: string;
  /** The one that is accepted. */
  readonly token: string;
  /** @param gitUrl what its pushes say about where Git finds it */
  addRepository(path: string, gitUrl: string): FakeRepository;
  repository(path: string): FakeRepository;
  /** Moves a branch and calls the hooks; resolves when every one has answered or failed to. */
  push(path: string, branch: string, sha: string): Promise<void>;
  /** Every request so far, oldest first, e.g. `GET /user 200`. */
  readonly requests: readonly string[];
  /** The token's limit; null for none. A request answered with 304 does not count. */
  setLimit(limit: FakeLimit | null): void;
  /** Answers this to everything, until null: a provider that has a bad day. */
  setOutage(status: number | null): void;
  close(): Promise<void>;
}

const dialects: Readonly<Record<FakeKind, Dialect>> = {
  GITHUB: github,
  GITLAB: gitlab,
  BITBUCKET: bitbucket,
  GITEA: gitea,
};

const basePaths: Readonly<Record<FakeKind, string>> = {
  GITHUB: '/api/v3',
  GITLAB: '/api/v4',
  BITBUCKET: '/2.0',
  GITEA: '/api/v1',
};

export async function fakeGitProvider(kind: FakeKind): Promise<FakeGitProvider> {
  const world = createWorld(kind, 'a-user');
  const token = `token-of-${kind.toLowerCase()}`;
  const requests: string[] = [];
  let limit: FakeLimit | null = null;
  let outage: number | null = null;

  const answer = async (request: IncomingMessage): Promise<FakeAnswer> => {
    if (outage !== null) return { status: outage, body: { message: 'Server Error' } };
    if (!isAuthorized(request, token)) return { status: 401, body: { message: 'Unauthorized' } };
    if (limit?.remaining === 0) return refuse(kind, limit);
    const url = new URL(request.url ?? '/', `http://${request.headers.host}`);
    if (!url.pathname.startsWith(`${basePaths[kind]}/`)) return { status: 404, body: {} };
    const path = url.pathname.slice(basePaths[kind].length + 1);
    const sent = await text(request);
    const found = await dialects[kind](world, {
      method: request.method ?? 'GET',
      segments: path.split('/').map(decodeURIComponent),
      query: url.searchParams,
      body: sent === '' ? {} : recordOf(JSON.parse(sent)),
      address: `${url.origin}${url.pathname}`,
    });
    return withEtag(kind, request, found ?? { status: 404, body: { message: 'Not Found' } });
  };

  const server = createServer((request, response) => {
    const path = (request.url ?? '').slice(basePaths[kind].length);
    answer(request).then(
      (found) => {
        requests.push(`${request.method} ${path} ${found.status}`);
        if (limit !== null && limit.remaining > 0 && found.status !== 304) limit.remaining -= 1;
        write(response, found);
      },
      (error: Error) => write(response, { status: 500, body: { message: error.message } }),
    );
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const find = (path: string): FakeRepository => {
    const repository = world.repositories.get(path);
    if (repository === undefined) throw new Error(`the fake provider has no ${path}`);
    return repository;
  };
  return {
    kind,
    apiUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}${basePaths[kind]}`,
    token,
    addRepository(path, gitUrl) {
      const repository = { path, gitUrl, branches: new Map(), hooks: [], statuses: [] };
      world.repositories.set(path, repository);
      return repository;
    },
    repository: find,
    push: (path, branch, sha) => pushTo(world, find(path), branch, sha),
    requests,
    setLimit(next) {
      limit = next;
    },
    setOutage(status) {
      outage = status;
    },
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

/** `Bearer`, `token`, or a password beside a name. */
function isAuthorized({ headers }: IncomingMessage, token: string): boolean {
  const [scheme = '', value = ''] = (headers.authorization ?? '').split(' ');
  if (scheme === 'Basic') return Buffer.from(value, 'base64').toString().endsWith(`:${token}`);
  return ['Bearer', 'token'].includes(scheme) && value === token;
}

/** GitHub says 403 with nothing left, the others 429. */
function refuse(kind: FakeKind, { resetAt }: FakeLimit): FakeAnswer {
  const resetSeconds = String(Math.ceil(resetAt.epochMilliseconds / 1000));
  const waitSeconds = Math.ceil(
    (resetAt.epochMilliseconds - systemClock.now().epochMilliseconds) / 1000,
  );
  const body = { message: 'API rate limit exceeded' };
  if (kind === 'GITHUB') {
    const headers = { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': resetSeconds };
    return { status: 403, body, headers };
  }
  const headers = { 'retry-after': String(waitSeconds), 'ratelimit-reset': resetSeconds };
  return { status: 429, body, headers };
}

function withEtag(kind: FakeKind, request: IncomingMessage, answer: FakeAnswer): FakeAnswer {
  if (request.method !== 'GET' || answer.status !== 200) return answer;
  if (kind !== 'GITHUB' && kind !== 'GITLAB') return answer;
  const etag = etagOf(toText(answer.body));
  const headers = { ...answer.headers, etag };
  if (request.headers['if-none-match'] === etag) return { status: 304, headers };
  return { ...answer, headers };
}

function write(response: ServerResponse, { status, body, headers }: FakeAnswer): void {
  response.writeHead(status, { ...headers, 'content-type': 'application/json' });
  response.end(body === undefined ? undefined : toText(body));
}

/** With bigints as the numbers they are. */
function toText(body: unknown): string {
  const marked = JSON.stringify(body, (_, value: unknown) =>
    typeof value === 'bigint' ? `bigint:${value}` : value,
  );
  return marked.replaceAll(/"bigint:(\d+)"/g, '$1');
}
