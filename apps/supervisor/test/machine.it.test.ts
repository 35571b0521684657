/** What the machine can refuse, and who else may be there. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { SupervisorEvent } from '@pilotfish/contracts';
import { until } from '@pilotfish/testing/real-process';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { appArgv, Harness } from './harness.ts';

let harness: Harness;

beforeEach(() => {
  harness = new Harness();
});

afterEach(() => harness.end());

test('a second supervisor on the same state ends with one clear sentence', async () => {
  await harness.start();
  const second = new Harness();
  second.extraEnv.SUPERVISOR_STATE_DIR = join(harness.folder, 'state');
  try {
    await expect(second.start()).rejects.toThrow('Another supervisor works on the same state');
  } finally {
    rmSync(second.folder, { recursive: true });
  }
});

test('events begin with a snapshot and tell every change', async () => {
  await harness.start();
  const events: SupervisorEvent[] = [];
  const stream = request({ socketPath: harness.socketPath, path: '/events' }, (response) => {
    let rest = '';
    response.setEncoding('utf8').on('data', (piece: string) => {
      const lines = (rest + piece).split('\n');
      rest = lines.pop() ?? '';
      events.push(...lines.map((line) => SupervisorEvent.parse(JSON.parse(line))));
    });
    response.on('error', () => {});
  });
  stream.on('error', () => {});
  stream.end();
  await until('the snapshot', () => events[0]?.kind === 'snapshot');
  const spec = harness.spec(appArgv('server.mjs'));
  await harness.put('a', spec);
  await until('its line', () => events.some(({ kind }) => kind === 'log_written'));
  await harness.call('DELETE', '/instances/a');
  await until('its end', () => events.at(-1)?.kind === 'instance_removed');
  const states = events.flatMap((event) =>
    event.kind === 'instance_changed' ? [event.instance.state] : [],
  );
  expect([...new Set(states)]).toEqual(['starting', 'running', 'stopped']);
  expect(events).toContainEqual({
    ...{ kind: 'log_written', serviceId: spec.serviceId, newestSequence: 1 },
  });
  stream.destroy();
});

const prlimit = spawnSync('prlimit', ['--version']).status === 0;

test.skipIf(!prlimit)(
  'where no more files can be opened, a start says so and is tried again',
  async () => {
    await harness.start();
    const limit = (count: number) =>
      spawnSync('prlimit', [`--nofile=${count}:`, '--pid', String(harness.pid)]);
    limit(10);
    const { status, body } = await harness
      .call('PUT', '/instances/a', harness.spec(appArgv('server.mjs')))
      .finally(() => limit(4096));
    expect(JSON.stringify(body)).toContain('may not open more files');
    expect(status).toBe(503);
    expect(await harness.put('a', harness.spec(appArgv('server.mjs')))).toMatchObject({
      state: 'running',
    });
  },
);

const canMount =
  spawnSync('unshare', ['--user', '--map-root-user', '--mount', 'true']).status === 0;

test.skipIf(!canMount)(
  'where the disk is full, a start says so and running ones go on',
  async () => {
    await harness.start();
    await harness.kill('SIGTERM');
    const state = join(harness.folder, 'state');
    // Only this supervisor sees the small disk: it lives in a mount namespace of its own.
    const script = `mount -t tmpfs -o size=600k tmpfs ${state} && exec "$@"`;
    harness.wrapper = ['unshare', '--user', '--map-root-user', '--mount', 'sh', '-c', script, 'sh'];
    await harness.start();
    const spec = harness.spec(appArgv('server.mjs'));
    await harness.put('a', spec);
    const fill: ChildProcess = spawn(
      'nsenter',
      [
        ...['--user', '--mount', '--preserve-credentials', '--target', String(harness.pid)],
        ...['dd', 'if=/dev/zero', `of=${state}/fill`, 'bs=1k'],
      ],
      { stdio: 'ignore' },
    );
    await new Promise((resolve) => fill.once('exit', resolve));
    const { status, body } = await harness.call('PUT', '/instances/b', spec);
    expect(JSON.stringify(body)).toContain('The disk is full');
    expect(status).toBe(503);
    expect(await harness.get('a')).toMatchObject({ state: 'running' });
    expect((await harness.call('DELETE', '/instances/a')).status).toBe(200);
  },
);
