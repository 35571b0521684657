import { spawn } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Fixture, makeFixture, waitUntil } from './fixture.ts';
import {
  deliveryWithExecution,
  ids,
  startWebhookGateway,
  startWebSocketGateway,
} from './stand-ins.ts';

let fixture: Fixture;

beforeEach(async () => {
  fixture = await makeFixture();
});
afterEach(() => fixture.close());

describe('a push is announced', () => {
  test('later, where the gateway is away: the push itself succeeds', async () => {
    const port = Number(new URL(fixture.gateway.url).port);
    await fixture.gateway.close();
    const { url } = await fixture.start({ followMsMax: 300 });
    const work = await fixture.workTree();
    const pushed = await fixture.git(work, 'push', fixture.remote(url), 'main');
    expect(pushed.code, pushed.output).toBe(0);
    expect(await readdir(fixture.spool)).toHaveLength(1);
    const gateway = await startWebhookGateway(fixture.key, port);
    fixture.alsoClose(gateway);
    await waitUntil(() => gateway.received.length === 1);
    await waitUntil(async () => (await readdir(fixture.spool)).length === 0);
  });

  test('although the pusher hangs up at once', async () => {
    const sockets = await startWebSocketGateway(() => {});
    fixture.alsoClose(sockets);
    fixture.coreApi.delivery = deliveryWithExecution();
    const { url } = await fixture.start({ webSocketUrl: sockets.url });
    const work = await fixture.workTree();
    const child = fixture.spawnGit(work, 'push', fixture.remote(url), 'main');
    await waitUntil(() => fixture.gateway.posts() > 0);
    process.kill(-(child.pid ?? 0), 'SIGKILL');
    await waitUntil(() => fixture.gateway.received.length === 1);
    await waitUntil(async () => (await readdir(fixture.spool)).length === 0);
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
    expect(await readdir(fixture.spool)).toHaveLength(1);
    await fixture.start();
    await waitUntil(() => fixture.gateway.received.length === 2);
  });
});
