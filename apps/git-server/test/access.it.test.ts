import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { issueGitAccess } from '@pilotfish/crypto';
import { createGit } from '@pilotfish/git';
import { systemClock } from '@pilotfish/kernel';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Fixture, makeFixture } from './fixture.ts';
import { ids, readToken } from './stand-ins.ts';

let fixture: Fixture;

beforeEach(async () => {
  fixture = await makeFixture();
});
afterEach(() => fixture.close());

describe('who may do what', () => {
  test('a wrong token is refused by git with an authentication failure', async () => {
    const { url } = await fixture.start();
    const work = await fixture.workTree();
    for (const [token, reason] of [
      ['qov_wrong', 'This API token is not valid (any more): give another one as the password.'],
      ['password', 'The password is not an API token (qov_…).'],
    ]) {
      const { code, output } = await fixture.git(work, 'push', fixture.remote(url, token), 'main');
      expect(code).not.toBe(0);
      expect(output).toContain(`remote: ${reason}`);
      expect(output).toContain('Authentication failed');
    }
  });

  test("another organization's repository does not exist", async () => {
    const { url } = await fixture.start();
    const work = await fixture.workTree();
    const unseen = 'There is no repository "demo" here that this token may see.';
    const shape = 'The address of a repository is /{organization}/{name}.git.';
    for (const [remote, reason] of [
      [fixture.remote(url, undefined, ids.other), unseen],
      [fixture.remote(url, undefined, 'not-an-id'), shape],
      [fixture.remote(url, undefined, ids.organization, '..%2f..%2fetc'), shape],
      [fixture.remote(url, undefined, ids.organization, '.server'), shape],
    ] as const) {
      const { code, output } = await fixture.git(work, 'push', remote, 'main');
      expect(code).not.toBe(0);
      expect(output).toContain(`remote: ${reason}`);
      expect(output).toContain('not found');
    }
    expect((await readdir(fixture.dataFolder)).filter((name) => name !== '.server')).toEqual([]);
  });

  test('a reader cannot push', async () => {
    const { url } = await fixture.start();
    const work = await fixture.workTree();
    const { code, output } = await fixture.git(
      work,
      'push',
      fixture.remote(url, readToken),
      'main',
    );
    expect(code).not.toBe(0);
    expect(output).toContain('remote: This API token may not push to "demo".');
    expect(output).toContain('403');
    expect(fixture.gateway.received).toEqual([]);
  });

  test('a repository that nothing was pushed to is said to be so', async () => {
    const { url } = await fixture.start();
    const git = createGit({ cacheFolder: fixture.root });
    const repository = `${url}/${ids.organization}/demo.git`;
    const token = issueGitAccess(fixture.key, {
      repositoryId: ids.repository,
      scope: 'read',
      principal: 'engine:x',
      expiresAt: systemClock.now().add({ seconds: 60 }),
    });
    const credentials = { username: 'x', password: token };
    await expect(git.listHeads(repository, { credentials })).rejects.toMatchObject({
      detail: `Nothing was pushed to ${repository} yet.`,
    });
    const cloned = await fixture.git(fixture.root, 'clone', fixture.remote(url), 'copy');
    expect(cloned.output).toContain('You appear to have cloned an empty repository.');
  });

  test('a short-lived access token reads while core-api is away, until it expires', async () => {
    const { url } = await fixture.start();
    const work = await fixture.workTree();
    await fixture.git(work, 'push', fixture.remote(url), 'main');
    fixture.coreApi.answer(500);
    const issue = (repositoryId: string, seconds: number, scope: 'read' | 'write' = 'read') =>
      issueGitAccess(fixture.key, {
        repositoryId,
        scope,
        principal: 'engine:x',
        expiresAt: systemClock.now().add({ seconds }),
      });
    const list = (token: string) => fixture.git(work, 'ls-remote', fixture.remote(url, token));
    expect((await list(issue(ids.repository, 60))).output).toContain('refs/heads/main');
    expect((await list(issue(ids.repository, -1))).output).toContain('Authentication failed');
    expect((await list(issue(ids.other, 60))).output).toContain('not found');
    const push = await fixture.git(work, 'push', fixture.remote(url, issue(ids.repository, 60)));
    expect(push.code).not.toBe(0);
  });

  test('core-api away means a plain word and not a lost push', async () => {
    const { url } = await fixture.start();
    const work = await fixture.workTree();
    fixture.coreApi.answer(503);
    const { code, output } = await fixture.git(work, 'push', fixture.remote(url), 'main');
    expect(code).not.toBe(0);
    expect(output).toContain('remote: The API does not answer just now: try again in a moment.');
    expect(output).toContain('503');
  });
});

test('an address that is no git protocol is not served', async () => {
  const { url } = await fixture.start();
  await mkdir(join(fixture.dataFolder, ids.organization), { recursive: true });
  const base = `${url}/${ids.organization}/demo.git`;
  expect((await fetch(`${base}/HEAD`)).status).toBe(404);
  expect((await fetch(`${base}/objects/info/packs`)).status).toBe(404);
  expect((await fetch(`${base}/info/refs`)).status).toBe(403);
  const challenge = await fetch(`${base}/info/refs?service=git-upload-pack`);
  expect(challenge.status).toBe(401);
  expect(challenge.headers.get('www-authenticate')).toContain('Basic');
});
