import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
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

test('a crashed application starts again on its port, later each time, and says why', async () => {
  const restart = { firstDelayMs: 100, delayMsMax: 2000 };
  const spec = harness.spec(appArgv('crashes.mjs', '7'), { restart });
  const { port } = await harness.put('a', spec);
  const status = await until('three restarts', async () => {
    const now = await harness.get('a');
    return now.restartCount >= 3 && now.nextStartAt !== null && now;
  });
  expect(status).toMatchObject({ port, pid: null, exit: { code: 7, signal: null } });
  expect(status.message).toMatch(/^Ended with exit code 7\. Starts again in \d\.\d s\.$/);
  expect(status.lastLines).toContain('fatal: no database');
  const { lines } = await harness.logs(spec.serviceId);
  const starts = lines
    .filter(({ text }) => text.startsWith('pid '))
    .map(({ at }) => Date.parse(at));
  const [first = 0, second = 0, third = 0, fourth = 0] = starts;
  // Waits of 100, 200 and 400 ms, each at least half of that; reading adds up to 250 ms.
  expect(fourth - third).toBeGreaterThan(200);
  expect(second - first).toBeLessThan(2000);
  expect(lines.filter(({ stream }) => stream === 'platform').map(({ text }) => text)).toContain(
    'Ended with exit code 7.',
  );
});

test('a policy decides whether what ended is started again', async () => {
  const once = harness.spec(appArgv('crashes.mjs', '3'), { restart: { when: 'never' } });
  await harness.put('never', once);
  const ok = harness.spec(appArgv('crashes.mjs', '0'), { restart: { when: 'on_failure' } });
  await harness.put('ok', ok);
  for (const [id, code] of [
    ['never', 3],
    ['ok', 0],
  ] as const) {
    const status = await until('it has ended', async () => {
      const now = await harness.get(id);
      return now.state === 'exited' && now;
    });
    expect(status).toMatchObject({ exit: { code }, restartCount: 0 });
  }
  expect(await harness.put('never', once)).toMatchObject({ state: 'exited' });
});

test.each([
  ['an unknown command', ['no-such-command'], {}, 'was not found', 127],
  ['a file that does not exist', ['/no/such/command'], {}, 'does not exist', 127],
  ['a file that is no program', ['/etc/passwd'], {}, 'may not be executed', 126],
  ['a folder that is not there', ['true'], { cwd: '/no/such/folder' }, 'does not exist', undefined],
])('%s is told and tried again', async (_, argv, change, sentence, code) => {
  const status = await harness.put('a', harness.spec(argv, change));
  expect(status).toMatchObject({ state: 'backing_off', pid: null });
  expect(status.message).toContain(sentence);
  expect(status.exit?.code).toBe(code);
});

test('a specification that makes no sense is refused without repeating its values', async () => {
  const spec = { ...harness.spec([]), env: { 'A=B': 'secret' } };
  const { status, body } = await harness.call('PUT', '/instances/a', spec);
  expect(status).toBe(400);
  expect(JSON.stringify(body)).toContain('argv');
  expect(JSON.stringify(body)).not.toContain('secret');
  expect((await harness.call('PUT', '/instances/..%2fa', spec)).status).toBe(400);
  expect((await harness.call('DELETE', '/instances/unknown')).status).toBe(404);
  expect((await harness.call('GET', '/elsewhere')).status).toBe(404);
});

test('everything that an application left behind ends with it, however it escaped', async () => {
  const spec = harness.spec(appArgv('stubborn.mjs'), { stopGraceSeconds: 1 });
  await harness.put('a', spec);
  const pids = await until('all five have spoken and one has gone', async () => {
    const { lines } = await harness.logs(spec.serviceId);
    const found = lines.flatMap(({ text }) => /^(\w+) (\d+)$/.exec(text)?.slice(1, 3) ?? []);
    const byRole = Object.fromEntries(
      found.flatMap((role, index) => (index % 2 === 0 ? [[role, Number(found[index + 1])]] : [])),
    );
    const { between, ...rest } = byRole;
    return Object.keys(rest).length === 4 && between && !isAlive(between) && rest;
  });
  const before = performance.now();
  await harness.call('DELETE', '/instances/a');
  expect(performance.now() - before).toBeGreaterThan(900);
  for (const [role, pid] of Object.entries(pids)) expect(isAlive(pid), role).toBe(false);
  const { lines } = await harness.logs(spec.serviceId);
  expect(lines.map(({ text }) => text)).toContain('orphan ignores SIGTERM');
});

test('stop-all ends all side by side and the next supervisor starts them again', async () => {
  const stubborn = harness.spec(appArgv('stubborn.mjs'), { stopGraceSeconds: 60 });
  await harness.put('stubborn', stubborn);
  const server = await harness.put('server', harness.spec(appArgv('server.mjs')));
  await until('it answers', () => ask(server.port).catch(() => null));
  const before = performance.now();
  const { status, body } = await harness.call('POST', '/stop-all', { graceSecondsMax: 1 });
  expect(status).toBe(200);
  expect(performance.now() - before).toBeLessThan(5000);
  expect(body).toMatchObject({ instances: [{ state: 'stopped' }, { state: 'stopped' }] });
  expect(harness.strays().filter((pid) => pid !== harness.pid)).toEqual([]);
  await harness.kill('SIGTERM');
  await harness.start();
  const again = await until('it answers', () => ask(server.port).catch(() => null));
  expect(again.pid).not.toBe(server.pid);
  // The clean-up of the tests goes by the mark, which one of them has dropped.
  await harness.call('POST', '/stop-all', { graceSecondsMax: 0 });
});

test('an application that died with its supervisor is started by the next one', async () => {
  const server = await harness.put('a', harness.spec(appArgv('server.mjs')));
  await until('it answers', () => ask(server.port).catch(() => null));
  await harness.kill();
  await fetch(`http://127.0.0.1:${server.port}/crash`).catch(() => null);
  await until('it is gone', () => !isAlive(server.pid!));
  await harness.start();
  expect(await harness.get('a')).toMatchObject({ state: 'running', port: server.port });
});

test('an adopted application that crashes is started again', async () => {
  const server = await harness.put('a', harness.spec(appArgv('server.mjs')));
  await until('it answers', () => ask(server.port).catch(() => null));
  await harness.kill();
  await harness.start();
  await fetch(`http://127.0.0.1:${server.port}/crash`).catch(() => null);
  const again = await until('it is back', async () => {
    const now = await harness.get('a');
    return now.restartCount === 1 && now.state === 'running' && now;
  });
  expect(again.pid).not.toBe(server.pid);
});

test('a start that was not recorded to its end is found again, and a stray of nobody is ended', async () => {
  const server = await harness.put('a', harness.spec(appArgv('server.mjs')));
  await until('it answers', () => ask(server.port).catch(() => null));
  await harness.kill();
  const path = join(harness.folder, 'state/instances/a.json');
  const record = JSON.parse(readFileSync(path, 'utf8'));
  const { runId } = record.run;
  record.run.process = null;
  writeFileSync(path, JSON.stringify(record));
  const stray = spawn('sleep', ['600'], {
    env: { PILOTFISH_INSTANCE_ID: 'unknown', PILOTFISH_RUN_ID: `${runId.split('.')[0]}.feed` },
    stdio: 'ignore',
  });
  const foreign = spawn('sleep', ['600'], {
    env: { PILOTFISH_INSTANCE_ID: 'a', PILOTFISH_RUN_ID: 'anotherclone.feed' },
    stdio: 'ignore',
  });
  try {
    await harness.start();
    expect(await harness.get('a')).toMatchObject({ state: 'running', pid: server.pid });
    await until('the stray is gone', () => !isAlive(stray.pid ?? 0));
    await harness.call('DELETE', '/instances/a');
    expect(isAlive(foreign.pid ?? 0)).toBe(true);
  } finally {
    foreign.kill('SIGKILL');
  }
});

test('a recorded pid that another process has now is neither adopted nor ended', async () => {
  await harness.put('a', harness.spec(appArgv('server.mjs')));
  await harness.kill();
  const path = join(harness.folder, 'state/instances/a.json');
  const record = JSON.parse(readFileSync(path, 'utf8'));
  const innocent = spawn('sleep', ['600'], { detached: true, stdio: 'ignore' });
  try {
    process.kill(record.run.process.pid, 'SIGKILL');
    record.run.process.pid = innocent.pid;
    writeFileSync(path, JSON.stringify(record));
    await harness.start();
    const { state, pid } = await harness.get('a');
    expect(state).toBe('running');
    expect(pid).not.toBe(innocent.pid);
    await harness.call('DELETE', '/instances/a');
    expect(isAlive(innocent.pid ?? 0)).toBe(true);
  } finally {
    innocent.kill('SIGKILL');
  }
});
