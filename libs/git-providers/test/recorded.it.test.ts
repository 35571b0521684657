import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createGitProvider, type GitProviderKind } from '../src/index.ts';
import { guard, kinds, repositoryOf, scene, secret, sha } from './fixture.ts';
import { type Recording, recorded } from './recorded.ts';

type Part = keyof Recording;

/** Which of the recorded answers a request gets, by the end of its path. */
function partOf(path: string): { readonly part: Part; readonly isList: boolean } {
  if (/\/(deliveries|events)\?/.test(path)) return { part: 'delivery', isList: true };
  if (/\/branches\?/.test(path)) return { part: 'branch', isList: true };
  if (/\/(statuses|build)/.test(path)) return { part: 'status', isList: false };
  if (/\/hooks\?/.test(path)) return { part: 'hook', isList: true };
  if (/\/hooks/.test(path)) return { part: 'hook', isList: false };
  return { part: 'user', isList: false };
}

/** A client whose provider answers with nothing but what was recorded. */
async function replay(kind: GitProviderKind) {
  const server = createServer((request, response) => {
    const { part, isList } = partOf(request.url ?? '');
    const body: unknown = recorded[kind][part];
    const list = kind === 'BITBUCKET' ? { values: [body], page: 1, size: 1 } : [body];
    response.writeHead(200, { 'content-type': 'application/json', etag: 'W/"1"' });
    response.end(JSON.stringify(isList ? list : body));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const apiUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return createGitProvider({ kind, apiUrl, token: 'x' }, { guard });
}

const typeOf = (value: unknown) => (Array.isArray(value) ? 'list' : typeof value);

/** Fields of `given` that `documented` has not, or has with another type; null says nothing. */
function differences(given: unknown, documented: unknown, at: string): string[] {
  if (given === null || documented === null) return [];
  if (typeOf(given) !== typeOf(documented)) return [`${at} is a ${typeOf(given)}`];
  if (typeof given !== 'object' || Array.isArray(given)) return [];
  const known = documented as Record<string, unknown>;
  return Object.entries(given).flatMap(([key, value]) =>
    key in known ? differences(value, known[key], `${at}.${key}`) : [`${at}.${key} is invented`],
  );
}

/** What the fake answers, without the client in between. */
async function ask(apiUrl: string, token: string, path: string, body?: object): Promise<unknown> {
  const response = await fetch(`${apiUrl}${path}`, {
    method: body === undefined ? 'GET' : 'POST',
    headers: { authorization: `Bearer ${token}` },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const answer = (await response.json()) as { values?: unknown[] } | unknown[];
  const list = Array.isArray(answer) ? answer : answer.values;
  return list === undefined ? answer : list[0];
}

describe.each(kinds)('%s', (kind) => {
  test('answers as its documents show them are understood', async () => {
    const provider = await replay(kind);
    const repository = repositoryOf(kind);
    expect((await provider.whoIs())?.login).toMatch(/octocat|john_smith|evzijst|jane/);
    const [hook] = await provider.listHooks(repository);
    expect(hook).toMatchObject({ isActive: true, url: expect.stringContaining('http') });
    expect(hook?.events).toContain('push');
    const failed = await provider.deliveries?.listFailed(repository, '1', {
      id: null,
      at: Temporal.Instant.from('2000-01-01T00:00:00Z'),
    });
    if (failed !== undefined)
      expect(failed.failed).toMatchObject([{ event: expect.stringMatching(/push/) }]);
    const heads = await provider.heads?.read(repository, null);
    if (heads?.kind === 'read') expect([...heads.heads.values()][0]).toMatch(/^[0-9a-f]{40}$/);
    const status = {
      state: 'success',
      context: 'c',
      description: 'd',
      url: 'https://x.org',
    } as const;
    await provider.setCommitStatus(repository, sha(1), status);
  });

  test('the fake says nothing that the documents do not show', async () => {
    const { fake, provider, repository } = await scene(kind);
    const url = 'http://127.0.0.1:9/webhook';
    const wish = { url, secret, events: ['push'], isActive: true } as const;
    const hook = await provider.createHook(repository, wish);
    await fake.push(repository, 'main', sha(1));
    const part = encodeURIComponent(repository);
    const root = {
      GITHUB: `/repos/${repository}`,
      GITLAB: `/projects/${part}`,
      BITBUCKET: `/repositories/${repository}`,
      GITEA: `/repos/${repository}`,
    }[kind];
    const statusPath = { BITBUCKET: `/commit/${sha(1)}/statuses/build` };
    const statusBody = {
      state: 'success',
      key: 'k',
      name: 'n',
      context: 'k',
      url: 'https://x.org',
    };
    const asked: [Part, unknown][] = [
      ['user', await ask(fake.apiUrl, fake.token, '/user')],
      ['hook', await ask(fake.apiUrl, fake.token, `${root}/hooks`)],
      [
        'status',
        await ask(
          fake.apiUrl,
          fake.token,
          `${root}${{ ...statusPath }[kind as 'BITBUCKET'] ?? `/statuses/${sha(1)}`}`,
          { ...statusBody, ...(kind === 'BITBUCKET' ? { state: 'SUCCESSFUL' } : {}) },
        ),
      ],
    ];
    if (kind === 'GITHUB' || kind === 'GITLAB') {
      const log = kind === 'GITHUB' ? 'deliveries' : 'events';
      const branches = kind === 'GITHUB' ? 'branches' : 'repository/branches';
      asked.push([
        'delivery',
        await ask(fake.apiUrl, fake.token, `${root}/hooks/${hook.id}/${log}`),
      ]);
      asked.push(['branch', await ask(fake.apiUrl, fake.token, `${root}/${branches}`)]);
    }
    for (const [name, answer] of asked) {
      expect(answer).toBeTypeOf('object');
      expect(differences(answer, recorded[kind][name], name)).toEqual([]);
    }
  });
});
