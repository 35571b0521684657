import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, utimes, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { issueGitAccess } from '@pilotfish/crypto';
import { systemClock } from '@pilotfish/kernel';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Fixture, makeFixture, waitUntil } from './fixture.ts';
import {
  ids,
  line,
  readToken,
  type StandIn,
  startWebhookGateway,
  startWebSocketGateway,
} from './stand-ins.ts';

let fixture: Fixture;
const standIns: StandIn[] = [];

beforeEach(async () => {
  fixture = await makeFixture();
});
afterEach(async () => {
  await fixture.close();
  for (const one of standIns.splice(0)) await one.close();
});

const spool = () => join(fixture.dataFolder, '.server', 'spool');

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
    },
  ]);
  expect(await readdir(spool())).toEqual([]);
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

describe('who may do what', () => {
  test('a wrong token is refused by git with an authentication failure', async () => {
    const { url } = await fixture.start();
    const work = await fixture.workTree();
    for (const token of ['qov_wrong', 'password']) {
      const { code, output } = await fixture.git(work, 'push', fixture.remote(url, token), 'main');
      expect(code).not.toBe(0);
      expect(output).toContain('Authentication failed');
    }
  });

  test("another organization's repository does not exist", async () => {
    const { url } = await fixture.start();
    const work = await fixture.workTree();
    for (const remote of [
      fixture.remote(url, undefined, ids.other),
      fixture.remote(url, undefined, 'not-an-id'),
      fixture.remote(url, undefined, ids.organization, '..%2f..%2fetc'),
      fixture.remote(url, undefined, ids.organization, '.server'),
    ]) {
      const { code, output } = await fixture.git(work, 'push', remote, 'main');
      expect(code).not.toBe(0);
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
    expect(output).toContain('403');
    expect(fixture.gateway.received).toEqual([]);
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
    expect(output).toContain('503');
  });
});

describe('a push is announced', () => {
  test('later, where the gateway is away: the push itself succeeds', async () => {
    const port = Number(new URL(fixture.gateway.url).port);
    await fixture.gateway.close();
    const { url } = await fixture.start({ followMsMax: 300 });
    const work = await fixture.workTree();
    const pushed = await fixture.git(work, 'push', fixture.remote(url), 'main');
    expect(pushed.code, pushed.output).toBe(0);
    expect(await readdir(spool())).toHaveLength(1);
    const gateway = await startWebhookGateway(fixture.key, port);
    standIns.push(gateway);
    await waitUntil(() => gateway.received.length === 1);
    await waitUntil(async () => (await readdir(spool())).length === 0);
  });

  test('although the pusher hangs up at once', async () => {
    const sockets = await startWebSocketGateway(() => {});
    standIns.push(sockets);
    fixture.coreApi.delivery = deliveryWithExecution();
    const { url } = await fixture.start({ webSocketUrl: sockets.url });
    const work = await fixture.workTree();
    const child = fixture.spawnGit(work, 'push', fixture.remote(url), 'main');
    await waitUntil(() => fixture.gateway.posts() > 0);
    process.kill(-(child.pid ?? 0), 'SIGKILL');
    await waitUntil(() => fixture.gateway.received.length === 1);
    await waitUntil(async () => (await readdir(spool())).length === 0);
  });

  test('after a restart, from what the hook left while no server was there', async () => {
    const first = await fixture.start();
    const work = await fixture.workTree();
    await fixture.git(work, 'push', fixture.remote(first.url), 'main');
    await first.app.close();
    const bare = join(fixture.dataFolder, ids.organization, 'demo.git');
    await fixture.git(work, 'commit', '--quiet', '--allow-empty', '-m', 'Second');
    // Straight into the folder, as a receive-pack goes on whose server was killed.
    const orphan = spawn('git', ['push', bare, 'main'], {
      cwd: work,
      env: {
        PATH: process.env.PATH,
        GIT_CONFIG_GLOBAL: join(fixture.dataFolder, '.server', 'gitconfig'),
        PILOTFISH_SERVER_FOLDER: join(fixture.dataFolder, '.server'),
        PILOTFISH_PUSH_ID: '01999999-0000-7000-8000-0000000000ff',
        PILOTFISH_PUSHER: 'Ada',
      },
    });
    let output = '';
    orphan.stderr.on('data', (chunk: Buffer) => {
      output += chunk;
    });
    await new Promise((resolve) => orphan.on('close', resolve));
    expect(output).toContain('deployed as soon as the git-server is back');
    expect(await readdir(spool())).toHaveLength(1);
    await fixture.start();
    await waitUntil(() => fixture.gateway.received.length === 2);
  });
});

function deliveryWithExecution() {
  return {
    id: ids.delivery,
    provider_delivery_id: 'x',
    event: 'push',
    received_at: '2026-11-20T10:00:00.000Z',
    state: 'HANDLED',
    outcome: 'Commit 0123 of branch main deploys web.',
    executions: [
      {
        id: ids.execution,
        organization_id: ids.organization,
        project_id: ids.project,
        environment_id: ids.environment,
        environment_name: 'production',
        cluster_id: ids.cluster,
        services: [{ id: ids.service, name: 'web', url: 'http://web.localhost:8080' }],
      },
    ],
  };
}

describe('the pusher reads the log of the deployment', () => {
  test('line by line to its end, across a reconnect, each line once', async () => {
    const asked: (string | null)[] = [];
    const sockets = await startWebSocketGateway((socket, url) => {
      asked.push(url.searchParams.get('after'));
      const send = (...lines: unknown[]) => socket.send(JSON.stringify(lines));
      if (asked.length === 1) {
        send(line(1, 'npm ci\u001b[31m red'), line(2, 'npm run build'));
        socket.close(1013, 'too slow');
        return;
      }
      const end = { execution_id: ids.execution, outcome: 'SUCCEEDED' } as never;
      send(line(3, 'healthy'), line(4, 'done', { execution_ended: end }));
    });
    standIns.push(sockets);
    fixture.coreApi.delivery = deliveryWithExecution();
    const { url } = await fixture.start({ webSocketUrl: sockets.url });
    const work = await fixture.workTree();
    const { code, output } = await fixture.git(work, 'push', fixture.remote(url), 'main');
    expect(code, output).toBe(0);
    const lines = output
      .split('\n')
      .filter((one) => one.startsWith('remote:'))
      .map((one) => one.replace('remote: ', '').trimEnd());
    expect(lines).toEqual([
      'Commit 0123 of branch main deploys web.',
      '[build] npm ci red',
      '[build] npm run build',
      '[build] healthy',
      '[build] done',
      '✓ web is live: http://web.localhost:8080',
    ]);
    expect(asked).toEqual([null, `${ids.execution}:2`]);
  });

  test('with the explanation of a failure', async () => {
    const sockets = await startWebSocketGateway((socket) => {
      const error = {
        tag: 'BUILD_FAILED',
        user_log_message: 'The build ended with exit code 1.',
        hint_message: 'Run npm run build on your machine.',
        underlying_error: { full_details: 'Error: x is not defined\n    at build.js:1' },
      };
      const end = { execution_id: ids.execution, outcome: 'FAILED' } as never;
      socket.send(JSON.stringify([line(1, '', { error }), line(2, '', { execution_ended: end })]));
    });
    standIns.push(sockets);
    fixture.coreApi.delivery = deliveryWithExecution();
    const { url } = await fixture.start({ webSocketUrl: sockets.url });
    const work = await fixture.workTree();
    const { code, output } = await fixture.git(work, 'push', fixture.remote(url), 'main');
    expect(code, output).toBe(0);
    expect(output).toContain('✗ The build ended with exit code 1.');
    expect(output).toContain('Error: x is not defined');
    expect(output).toContain('→ Run npm run build on your machine.');
    expect(output).toContain('What was live before still is.');
  });

  test('and gives up its place, so that others can clone meanwhile', async () => {
    let opened = 0;
    const sockets = await startWebSocketGateway(() => opened++);
    standIns.push(sockets);
    fixture.coreApi.delivery = deliveryWithExecution();
    const { url } = await fixture.start({ webSocketUrl: sockets.url, backendsMax: 1 });
    const work = await fixture.workTree();
    fixture.spawnGit(work, 'push', fixture.remote(url), 'main');
    await waitUntil(() => opened === 1);
    const cloned = await fixture.git(fixture.root, 'clone', fixture.remote(url), 'copy');
    expect(cloned.code, cloned.output).toBe(0);
  });
});

test('what a killed server left half-made is gone after the next start', async () => {
  const { app } = await fixture.start();
  await app.close();
  await mkdir(join(fixture.dataFolder, '.drafts', 'half-made'), { recursive: true });
  await writeFile(join(spool(), 'old.json.draft'), '{');
  await utimes(join(spool(), 'old.json.draft'), 0, 0);
  await writeFile(join(spool(), 'young.json.draft'), '{');
  await fixture.start();
  expect(await readdir(fixture.dataFolder)).toEqual(['.server']);
  expect(await readdir(spool())).toEqual(['young.json.draft']);
});

test('a second server of the same folder does not start', async () => {
  await fixture.start();
  await expect(fixture.start()).rejects.toMatchObject({ code: 'conflict' });
});

test('a repository that was deleted and made again starts empty', async () => {
  const { url } = await fixture.start();
  const work = await fixture.workTree();
  await fixture.git(work, 'push', fixture.remote(url), 'main');
  const { createRepositories } = await import('../src/repositories.ts');
  const { createGit } = await import('@pilotfish/git');
  const git = createGit({ cacheFolder: fixture.root });
  const repositories = createRepositories({ git, dataFolder: fixture.dataFolder });
  const opened = await repositories.open({
    repositoryId: ids.other,
    organizationId: ids.organization,
    name: 'demo',
    hookId: ids.hook,
    defaultBranch: 'trunk',
  });
  expect(await readFile(join(opened.folder, 'HEAD'), 'utf8')).toBe('ref: refs/heads/trunk\n');
  expect(await readdir(join(opened.folder, 'refs', 'heads'))).toEqual([]);
  expect(await readdir(join(fixture.dataFolder, '.removed'))).toEqual([`${ids.repository}.git`]);
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
