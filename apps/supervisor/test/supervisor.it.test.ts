import { statSync } from 'node:fs';
import { join } from 'node:path';
import { until } from '@pilotfish/testing/real-process';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { appArgv, ask, Harness, isAlive } from './harness.ts';

let harness: Harness;

beforeEach(async () => {
  harness = new Harness();
  await harness.start();
});

afterEach(() => harness.end());

test('an application gets its port and a clean environment, and starts only once', async () => {
  const spec = harness.spec(appArgv('server.mjs'));
  const first = await harness.put('a', spec);
  expect(first).toMatchObject({ state: 'running', restartCount: 0 });
  const { pid, env } = await until('it answers', () => ask(first.port).catch(() => null));
  expect(pid).toBe(first.pid);
  expect(Object.keys(env).sort()).toEqual(
    ['HOME', 'LABEL', 'PATH', 'PILOTFISH_INSTANCE_ID', 'PILOTFISH_RUN_ID', 'PORT', 'TMPDIR'].sort(),
  );
  expect(await harness.put('a', spec)).toMatchObject({ pid, state: 'running' });
  const other = await harness.call('PUT', '/instances/a', { ...spec, version: 'other' });
  expect(other).toMatchObject({ status: 409, body: { detail: expect.stringContaining('a runs') } });
  expect(statSync(harness.socketPath).mode & 0o777).toBe(0o600);
  const record = statSync(join(harness.folder, 'state/instances/a.json'));
  expect(record.mode & 0o777).toBe(0o600);
  const gone = await harness.call('DELETE', '/instances/a');
  expect(gone).toMatchObject({
    status: 200,
    body: { state: 'stopped', exit: { signal: 'SIGTERM' } },
  });
  expect(isAlive(pid)).toBe(false);
  expect((await harness.call('GET', '/instances/a')).status).toBe(404);
});

test('a killed supervisor leaves its applications running and its successor adopts them', async () => {
  const started = await harness.put('a', harness.spec(appArgv('server.mjs')));
  await until('it answers', () => ask(started.port).catch(() => null));
  await harness.kill();
  expect((await ask(started.port)).pid).toBe(started.pid);
  await harness.start();
  const { pid, port } = started;
  const adopted = await until('its line is read', async () => {
    const status = await harness.get('a');
    return status.lastLines.length > 0 && status;
  });
  expect(adopted).toMatchObject({ state: 'running', pid, port, restartCount: 0 });
  expect(adopted.lastLines).toEqual(['listening as blue']);
  await harness.call('DELETE', '/instances/a');
  expect(isAlive(started.pid!)).toBe(false);
});
