import { readdir, readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createGit } from '../src/index.ts';
import { type Fixture, faultOf, makeFixture } from './fixture.ts';

let fixture: Fixture;

beforeEach(async () => {
  fixture = await makeFixture();
});
afterEach(() => fixture.close());

describe('heads', () => {
  test('are listed by branch, and a missing branch is not in the answer', async () => {
    const first = await fixture.commit({ a: '1' });
    await fixture.run('branch', 'feature/one');
    await fixture.run('branch', 'odd/refs/heads/main');
    const second = await fixture.commit({ a: '2' });
    const all = await fixture.git.listHeads(fixture.url);
    expect(Object.fromEntries(all)).toEqual({
      main: second,
      'feature/one': first,
      'odd/refs/heads/main': first,
    });
    const some = await fixture.git.listHeads(fixture.url, { branches: ['main', 'gone'] });
    expect(Object.fromEntries(some)).toEqual({ main: second });
  });

  test('of a repository without commits are none', async () => {
    expect((await fixture.git.listHeads(fixture.url)).size).toBe(0);
  });

  test.each(['--upload-pack=touch /tmp/x', 'a..b', 'a b', '', 'a.lock', 'x/', '@{u}', 'a*'])(
    'refuse %j as a branch name',
    async (branch) => {
      const fault = await faultOf(fixture.git.listHeads(fixture.url, { branches: [branch] }));
      expect(fault.code).toBe('invalid_input');
    },
  );
});

test.each([
  'ext::sh -c touch% /tmp/x',
  'file:///etc',
  '--upload-pack=x',
  'https://user:pass@host/x.git',
  'https://token@host/x.git',
  'ssh://-oProxyCommand=x/y',
  '/srv/repository',
])('the address %j is refused before Git starts', async (url) => {
  const git = createGit({ cacheFolder: join(fixture.root, 'c2'), executable: '/nonexistent' });
  await expect(async () => git.listHeads(url)).rejects.toMatchObject({ code: 'invalid_input' });
});

describe('a commit', () => {
  test('is fetched as files alone, with what a history shows of it', async () => {
    const old = await fixture.commit({ 'src/a.txt': 'one' }, 'First words\n\nand more');
    await fixture.commit({ 'src/a.txt': 'two' });
    const into = join(fixture.root, 'new', 'folder');
    const info = await fixture.git.fetchCommit({ url: fixture.url, commit: old, into });
    expect(info).toEqual({
      sha: old,
      subject: 'First words',
      authorName: 'Ada',
      committedAt: '2026-11-02T10:00:00Z',
    });
    expect(await readdir(into)).toEqual(['src']);
    expect(await readFile(join(into, 'src/a.txt'), 'utf8')).toBe('one');
  });

  test('that is no tip comes from a server that gives out tips only', async () => {
    const old = await fixture.commit({ a: 'old' });
    for (let n = 0; n < 3; n++) await fixture.commit({ a: `new ${n}` });
    const host = await fixture.serve({ tipsOnly: true });
    const into = join(fixture.root, 'by-branch');
    await fixture.git.fetchCommit({ url: host.repository, commit: old, into, branch: 'main' });
    expect(await readFile(join(into, 'a'), 'utf8')).toBe('old');
    const other = join(fixture.root, 'by-any-branch');
    await fixture.git.fetchCommit({
      url: host.repository,
      commit: old,
      into: other,
      branch: 'gone',
    });
    expect(await readFile(join(other, 'a'), 'utf8')).toBe('old');
  });

  test('that nobody has is said to be missing, and leaves nothing behind', async () => {
    await fixture.commit({ a: '1' });
    const into = join(fixture.root, 'missing');
    for (const tipsOnly of [false, true]) {
      const { repository: url } = await fixture.serve({ tipsOnly });
      const commit = 'f'.repeat(40);
      const fault = await faultOf(fixture.git.fetchCommit({ url, commit, into, branch: 'main' }));
      expect(fault.code).toBe('not_found');
      expect(fault.detail).toContain(commit);
      expect(await readdir(into)).toEqual([]);
    }
  });

  test('never runs what a repository brings along', async () => {
    const commit = await fixture.commit({
      '.gitattributes': '* filter=evil',
      '.gitmodules': '[submodule "x"]\n\tpath = x\n\turl = ext::sh -c "exit 1"\n',
      a: 'text',
    });
    const into = join(fixture.root, 'quiet');
    await fixture.git.fetchCommit({ url: fixture.url, commit, into });
    expect(await readFile(join(into, 'a'), 'utf8')).toBe('text');
  });
});

describe('changed paths', () => {
  test('are those of the trees, for added, changed, moved and removed files', async () => {
    const from = await fixture.commit({ 'api/a': '1', 'web/b': '1', 'doc/c d\nü': '1' });
    await fixture.commit({ 'api/a': '2' });
    const to = await fixture.commit({ 'web/b': null, 'web/moved': '1', 'doc/c d\nü': '2' });
    const { repository: url } = await fixture.serve();
    const answer = await fixture.git.changedPaths({ url, from, to });
    expect(answer.kind === 'paths' && [...answer.paths].sort()).toEqual(
      ['api/a', 'doc/c d\nü', 'web/b', 'web/moved'].sort(),
    );
    // The same clone serves the way back and the next push.
    expect(await fixture.git.changedPaths({ url, from: to, to: from })).toEqual(answer);
    const next = await fixture.commit({ 'api/x': '1' });
    expect(await fixture.git.changedPaths({ url, from: to, to: next })).toEqual({
      kind: 'paths',
      paths: ['api/x'],
    });
  });

  test('come from a server that gives out tips only, too', async () => {
    const from = await fixture.commit({ a: '1' });
    await fixture.commit({ b: '1' });
    const to = await fixture.commit({ c: '1' });
    const { repository: url } = await fixture.serve({ tipsOnly: true });
    const answer = await fixture.git.changedPaths({ url, from, to, branch: 'main' });
    expect(answer).toEqual({ kind: 'paths', paths: ['b', 'c'] });
  });

  test('are unknown where there is nothing to compare with', async () => {
    const to = await fixture.commit({ a: '1', b: '1' });
    const { url } = fixture;
    for (const from of [null, '0'.repeat(40), 'a'.repeat(40)]) {
      expect((await fixture.git.changedPaths({ url, from, to })).kind).toBe('unknown');
    }
    const next = await fixture.commit({ a: '2', b: '2' });
    const many = await fixture.git.changedPaths({ url, from: to, to: next, pathsMax: 1 });
    expect(many.kind).toBe('unknown');
  });

  test('survive a damaged clone and callers side by side', async () => {
    const from = await fixture.commit({ a: '1' });
    const to = await fixture.commit({ a: '2' });
    const { url } = fixture;
    await fixture.git.changedPaths({ url, from, to });
    const [clone] = await readdir(join(fixture.root, 'cache'));
    const { writeFile } = await import('node:fs/promises');
    await writeFile(join(fixture.root, 'cache', clone!, 'HEAD'), 'not a head');
    const answers = await Promise.all(
      Array.from({ length: 4 }, () => fixture.git.changedPaths({ url, from, to })),
    );
    for (const answer of answers) expect(answer).toEqual({ kind: 'paths', paths: ['a'] });
  });
});

describe('a Git that does not come to an end', () => {
  async function silentHost() {
    const sockets = new Set<import('node:net').Socket>();
    const accepted = Promise.withResolvers<void>();
    const server = createServer((socket) => {
      sockets.add(socket);
      socket.on('error', () => {}).resume();
      accepted.resolve();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    return {
      url: `http://127.0.0.1:${port}/x.git`,
      accepted: accepted.promise,
      /** Resolves when every client has gone: the helper processes too. */
      left: async () => {
        for (const socket of sockets) {
          if (!socket.destroyed) await new Promise((resolve) => socket.once('close', resolve));
        }
        server.close();
      },
    };
  }

  test('ends at its time-out with its helpers', async () => {
    const host = await silentHost();
    const fault = await faultOf(fixture.git.listHeads(host.url, { timeoutMs: 300 }));
    expect(fault.code).toBe('timeout');
    await host.left();
  });

  test('ends when the caller gives up, with the reason of the caller', async () => {
    const host = await silentHost();
    const controller = new AbortController();
    const listing = fixture.git.listHeads(host.url, { signal: controller.signal });
    const outcome = expect(listing).rejects.toThrow('no longer needed');
    await host.accepted;
    controller.abort(new Error('no longer needed'));
    await outcome;
    await host.left();
  });
});

test('a host that nobody is at counts as unavailable, so that it is tried again', async () => {
  const fault = await faultOf(fixture.git.listHeads('http://127.0.0.1:1/x.git'));
  expect(fault.code).toBe('unavailable');
  expect(fault.retryable).toBe(true);
});

test('output beyond the limit ends Git', async () => {
  await fixture.commit({ big: 'x'.repeat(200_000) });
  const fault = await faultOf(
    fixture.git.run(['show', 'HEAD:big'], { cwd: fixture.repository, outputBytesMax: 1000 }),
  );
  expect(fault.code).toBe('too_large');
});

test('a missing git is said in one sentence', async () => {
  const git = createGit({ cacheFolder: fixture.root, executable: '/nonexistent/git' });
  const fault = await faultOf(git.listHeads('https://example.com/x.git'));
  expect(fault.detail).toBe('Git cannot be started: is it installed?');
});
