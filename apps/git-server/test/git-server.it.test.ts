import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, utimes, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Fixture, makeFixture } from './fixture.ts';
import { ids, readToken } from './stand-ins.ts';

let fixture: Fixture;

beforeEach(async () => {
  fixture = await makeFixture();
});
afterEach(() => fixture.close());

test('a push and a clone bring the same files, and the push is announced once', async () => {
  const { url } = await fixture.start();
  const work = await fixture.workTree({ 'index.html': 'hello' });
  const pushed = await fixture.git(work, 'push', fixture.remote(url), 'main');
  expect(pushed.code, pushed.output).toBe(0);
  expect(pushed.output).toContain('remote: No service follows branch main of this repository.');

  const cloned = await fixture.git(fixture.root, 'clone', fixture.remote(url, readToken), 'copy');
  expect(cloned.code, cloned.output).toBe(0);
  expect(await readFile(join(fixture.root, 'copy', 'index.html'), 'utf8')).toBe('hello');

  const { output } = await fixture.git(work, 'rev-parse', 'main');
  expect(fixture.gateway.received.map((one) => one.body)).toEqual([
    {
      repository: {
        id: ids.repository,
        organization_id: ids.organization,
        url: `http://git.example.com/${ids.organization}/demo.git`,
      },
      ref: 'refs/heads/main',
      before: '0'.repeat(40),
      after: output.trim(),
      pusher: { name: 'Ada Lovelace' },
      head_commit: expect.objectContaining({ message: 'First', author: { name: 'Ada' } }),
    },
  ]);
  expect(await readdir(fixture.spool)).toEqual([]);
});

test('several refs of one push are announced one by one, deletions too', async () => {
  const { url } = await fixture.start();
  const work = await fixture.workTree();
  await fixture.git(work, 'tag', 'v1');
  await fixture.git(work, 'branch', 'feature/a');
  const pushed = await fixture.git(work, 'push', '--all', fixture.remote(url));
  expect(pushed.code, pushed.output).toBe(0);
  await fixture.git(work, 'push', fixture.remote(url), 'v1');
  const removed = await fixture.git(work, 'push', fixture.remote(url), ':feature/a');
  expect(removed.code, removed.output).toBe(0);
  const refs = fixture.gateway.received.map((one) => one.body.ref).sort();
  expect(refs).toEqual([
    'refs/heads/feature/a',
    'refs/heads/feature/a',
    'refs/heads/main',
    'refs/tags/v1',
  ]);
  expect(new Set(fixture.gateway.received.map((one) => one.id)).size).toBe(4);
  const last = fixture.gateway.received.at(-1);
  expect(last?.body.after).toBe('0'.repeat(40));
});

test('a push tells the message and author of its head, in whatever encoding they were written', async () => {
  const { url } = await fixture.start();
  const work = await fixture.workTree();
  const commit = async (message: string | Buffer, ...words: string[]) => {
    await writeFile(join(work, '.git', 'MESSAGE'), message);
    const file = join('.git', 'MESSAGE');
    const author = ['--author', 'Zoë <z@example.org>'];
    const made = [...words, 'commit', '-q', '--allow-empty', ...author, '-F', file];
    expect((await fixture.git(work, ...made)).code).toBe(0);
    const pushed = await fixture.git(work, 'push', fixture.remote(url), 'main');
    expect(pushed.code, pushed.output).toBe(0);
    return fixture.gateway.received.at(-1)?.body;
  };
  const plain = await commit('A new page\n\nWith a body.\n');
  expect(plain?.head_commit).toEqual({
    id: plain?.after,
    message: 'A new page',
    timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:]+Z$/),
    author: { name: 'Zoë' },
  });
  const latin = ['-c', 'i18n.commitEncoding=ISO-8859-1'];
  const encoded = await commit(Buffer.from('Straße', 'latin1'), ...latin);
  expect(encoded?.head_commit?.message).toBe('Straße');
  // Bytes that are no text in the encoding that the commit claims.
  const broken = await commit(Buffer.from([0x61, 0xff, 0xfe, 0x62]));
  expect(broken?.head_commit?.message).toMatch(/^a.*b$/);
  const long = await commit(`${'x'.repeat(499)}😀${'y'.repeat(100_000)}`);
  expect(long?.head_commit?.message).toBe(`${'x'.repeat(499)}\u{fffd}`);
  await fixture.git(work, 'push', fixture.remote(url), ':main');
  expect(fixture.gateway.received.at(-1)?.body).not.toHaveProperty('head_commit');
});

test('the default branch can be deleted and made again', async () => {
  const { url } = await fixture.start();
  const work = await fixture.workTree({ 'index.html': 'hello' });
  await fixture.git(work, 'push', fixture.remote(url), 'main');
  const removed = await fixture.git(work, 'push', fixture.remote(url), ':main');
  expect(removed.code, removed.output).toBe(0);
  const pushed = await fixture.git(work, 'push', fixture.remote(url), 'main');
  expect(pushed.code, pushed.output).toBe(0);
  const cloned = await fixture.git(fixture.root, 'clone', fixture.remote(url), 'copy');
  expect(cloned.code, cloned.output).toBe(0);
  const zero = '0'.repeat(40);
  const moves = fixture.gateway.received.map(({ body: { before, after } }) => [
    before === zero,
    after === zero,
  ]);
  expect(moves).toEqual([
    [true, false],
    [false, true],
    [true, false],
  ]);
});

test('a big push streams through', async () => {
  const { url } = await fixture.start();
  const work = await fixture.workTree({ big: randomBytes(40 * 1024 * 1024) });
  const pushed = await fixture.git(work, 'push', fixture.remote(url), 'main');
  expect(pushed.code, pushed.output).toBe(0);
  expect((await fixture.git(fixture.root, 'clone', fixture.remote(url), 'copy')).code).toBe(0);
});

test('many branches travel by protocol 2, with request bodies that Git compresses', async () => {
  const { url } = await fixture.start();
  const work = await fixture.workTree();
  for (let n = 0; n < 60; n++) {
    await fixture.git(work, 'commit', '--quiet', '--allow-empty', '-m', `Commit ${n}`);
    await fixture.git(work, 'branch', `feature/${n}`);
  }
  const pushed = await fixture.git(work, 'push', '--all', fixture.remote(url));
  expect(pushed.code, pushed.output).toBe(0);
  // Each branch is wanted by its commit: more than the kilobyte that Git leaves uncompressed.
  const cloned = await fixture.git(fixture.root, 'clone', '--bare', fixture.remote(url), 'copy');
  expect(cloned.code, cloned.output).toBe(0);
  const heads = await fixture.git(join(fixture.root, 'copy'), 'branch', '--list');
  expect(heads.output.trim().split('\n')).toHaveLength(61);
});

test('a client that asks first whether to send is told to go on', async () => {
  const { url } = await fixture.start();
  const work = await fixture.workTree();
  await fixture.git(work, 'push', fixture.remote(url), 'main');
  const { hostname, port } = new URL(url);
  const body = '0014command=ls-refs\n0000';
  const answer = await new Promise<{ continued: boolean; status: number | undefined }>(
    (resolve, reject) => {
      let continued = false;
      const asking = request({
        hostname,
        port,
        // No connection is kept: the server's end would wait for it.
        agent: false,
        method: 'POST',
        path: `/${ids.organization}/demo.git/git-upload-pack`,
        headers: {
          authorization: `Basic ${Buffer.from(`x:${readToken}`).toString('base64')}`,
          'content-type': 'application/x-git-upload-pack-request',
          'content-encoding': 'gzip',
          'git-protocol': 'version=2',
          expect: '100-continue',
        },
      });
      asking.on('continue', () => {
        continued = true;
        asking.end(gzipSync(body));
      });
      asking.on('response', (response) => {
        response.resume();
        resolve({ continued, status: response.statusCode });
      });
      asking.on('error', reject);
      asking.flushHeaders();
    },
  );
  expect(answer).toEqual({ continued: true, status: 200 });
});

test('a push above the limit is refused with a reason, and moves nothing', async () => {
  const { url } = await fixture.start({ pushBytesMax: 100_000 });
  const work = await fixture.workTree({ big: randomBytes(300_000) });
  const pushed = await fixture.git(work, 'push', fixture.remote(url), 'main');
  expect(pushed.code).not.toBe(0);
  expect(pushed.output).toMatch(/exceeds maximum allowed size|larger/);
  const heads = await fixture.git(work, 'ls-remote', fixture.remote(url));
  expect(heads.output).toBe('');
  expect(fixture.gateway.received).toEqual([]);
});

test('what a killed server left half-made is gone after the next start', async () => {
  const { app } = await fixture.start();
  await app.close();
  await mkdir(join(fixture.dataFolder, '.drafts', 'half-made'), { recursive: true });
  await writeFile(join(fixture.spool, 'old.json.draft'), '{');
  await utimes(join(fixture.spool, 'old.json.draft'), 0, 0);
  await writeFile(join(fixture.spool, 'young.json.draft'), '{');
  await fixture.start();
  expect(await readdir(fixture.dataFolder)).toEqual(['.server']);
  expect(await readdir(fixture.spool)).toEqual(['young.json.draft']);
});

test('a second server of the same folder does not start', async () => {
  await fixture.start();
  await expect(fixture.start()).rejects.toMatchObject({ code: 'conflict' });
});
