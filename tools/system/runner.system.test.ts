/**
 * The life of `npm start` itself, on one home from test to test: a second one, kills, a crash of
 * the runner, Ctrl-C, and starting again.
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { systemClock } from '@pilotfish/kernel';
import { isPortFree } from '@pilotfish/servers';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { callApi } from './src/api.ts';
import { officialClients } from './src/clients.ts';
import { processesOf } from './src/home-processes.ts';
import { cloneRepository, eventually, getPage, type Platform, startPlatform } from './src/index.ts';
import { npmStart } from './src/npm-start.ts';
import { removeHome } from './src/platform.ts';

const run = promisify(execFile);

let home: string;
let platform: Platform;

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'pf-runner-'));
  platform = await startPlatform({ home });
});

afterAll(async () => {
  await platform?.[Symbol.asyncDispose]();
  await removeHome(home);
});

const serves = async () => (await getPage(platform.connection.applicationUrl)).status === 200;

test('a second npm start on the same home is refused in one sentence and changes nothing', async () => {
  const second = await npmStart({ PILOTFISH_HOME: home }).ended;
  expect(second.exitCode).toBe(1);
  expect(second.sentences).toHaveLength(1);
  expect(second.sentences[0]).toMatch(/Pilotfish is running already on .* \(pid \d+\)\.$/);
  expect(await serves()).toBe(true);
  expect((await platform.reload()).processes).toEqual(platform.connection.processes);
});

test('two homes side by side do not collide', async () => {
  await using other = await startPlatform();
  const [ours, theirs] = [platform.connection, other.connection];
  for (const key of ['apiUrl', 'webhookUrl', 'webSocketUrl', 'gitUrl', 'applicationUrl'] as const) {
    expect(theirs[key], key).not.toBe(ours[key]);
  }
  expect((await getPage(theirs.applicationUrl)).status).toBe(200);
  await other.stop();
  expect(await processesOf(other.home)).toEqual([]);
  expect(await serves()).toBe(true);
});

test('a killed service is started again, however often, and the next waiting time is told', async () => {
  const announced = () => [
    ...platform.output().matchAll(/git-server ended; starting it again in [\d.]+ s\./g),
  ];
  for (let kill = 1; kill <= 4; kill += 1) {
    const pid = await eventually('git-server runs', 20_000, async () => {
      const [present] = (await platform.reload()).processes['git-server'] ?? [];
      return present !== undefined && existsSync(`/proc/${present}`) ? present : undefined;
    });
    process.kill(pid, 'SIGKILL');
    await eventually('it is told', 20_000, async () => announced().length >= kill);
  }
  const { gitUrl } = platform.connection;
  await eventually('git-server answers', 20_000, async () => {
    return (await fetch(`${new URL(gitUrl).origin}/health/ready`)).ok;
  });
});

test('kill -9 of the runner interrupts no application, and the next start goes on with what runs', async () => {
  const before = await platform.reload();
  const visits = visitAgainAndAgain(before.applicationUrl);
  await platform.killRunner();
  await visits.more(20);
  platform = await startPlatform({ home });
  await visits.more(20);
  expect(await visits.stop()).toEqual([]);

  const { runner: _, ...others } = before.processes;
  expect(platform.connection.processes).toMatchObject(others);
  const output = platform.output();
  const names = Object.keys(others);
  for (const sentence of [
    'The last run was cut short; still running:',
    'Went on with what still ran:',
  ]) {
    const line = output.split('\n').find((one) => one.includes(sentence));
    expect(line, output).toBeDefined();
    for (const name of names) expect(line).toContain(name);
  }
});

test('after a crash of the runner, what had died as well is started', async () => {
  const before = await platform.reload();
  await platform.killRunner();
  for (const name of ['engine', 'nats', 'core-api']) {
    for (const pid of before.processes[name] ?? []) process.kill(pid, 'SIGKILL');
  }
  expect(await serves()).toBe(true);
  platform = await startPlatform({ home });
  const { processes } = platform.connection;
  for (const name of ['supervisor', 'edge', 'postgres', 'git-server']) {
    expect(processes[name], name).toEqual(before.processes[name]);
  }
  for (const name of ['engine', 'nats', 'core-api']) {
    expect(processes[name], name).not.toEqual(before.processes[name]);
  }
  expect(await serves()).toBe(true);
});

test('after kill -9 of everything but the application it is adopted, and the screen says so', async () => {
  const { runner: _, ...others } = (await platform.reload()).processes;
  await platform.killRunner();
  for (const each of Object.values(others).flat()) process.kill(each, 'SIGKILL');
  platform = await startPlatform({ home });
  expect(platform.output()).toContain(
    'The last run was cut short; 1 application still ran and was adopted.',
  );
  expect(await serves()).toBe(true);
});

test('Ctrl-C stops everything, applications too, and npm start goes on where it ended', async () => {
  const before = platform.connection;
  const environments = await listEnvironments();
  await platform.stop();
  expect(platform.output()).toContain('Stopped; npm start goes on where this ended.');
  expect(platform.output()).not.toContain(before.token);
  expect(await processesOf(home)).toEqual([]);
  expect(existsSync(join(home, 'connection.json'))).toBe(false);
  const base = Number(new URL(before.apiUrl).port);
  const ports = Array.from({ length: 220 }, (_, offset) => base + offset);
  const free = await Promise.all(ports.map(isPortFree));
  expect(ports.filter((_, index) => !free[index])).toEqual([]);

  platform = await startPlatform({ home });
  const { processes: _, ...addresses } = before;
  expect(platform.connection).toMatchObject(addresses);
  expect(await listEnvironments()).toEqual(environments);
  expect(platform.output()).toContain(
    'Found: 1 environment, 1 application (was running at release 1), 1 repository.',
  );
  await eventually('the application serves again', 30_000, serves);
});

test('a revoked engine is told with what to do about it, and serves what it has until it is let in again', async () => {
  const { clusterId, gitUrl } = platform.connection;
  const call = <T>(method: 'GET' | 'DELETE', path: string) =>
    callApi<T>(platform.connection, method, path);
  type Engines = { results: { id: string; revoked_at: string | null }[] };
  const { results } = await call<Engines>('GET', `/cluster/${clusterId}/engine`);
  for (const { id } of results) await call('DELETE', `/engine/${id}`);
  await platform.stop();

  // A push waits for its deployment, which does not begin.
  platform = await startPlatform({ home, env: { GIT_SERVER_FOLLOW_SECONDS_MAX: '1' } });
  expect(platform.output()).not.toContain('Pilotfish is running.');
  expect(platform.output()).toContain('The engine of this machine was revoked');
  await eventually('the application serves', 30_000, serves);
  await using copy = await cloneRepository(platform.connection, gitUrl);
  await copy.commit('page.md', () => 'Pushed while the engine was revoked\n');
  await copy.push('origin', 'HEAD');

  const [, command = ''] = /Ctrl-C, (rm .+), npm start/.exec(platform.output()) ?? [];
  await platform.stop();
  await run('sh', ['-c', command], { cwd: join(import.meta.dirname, '../..') });
  platform = await startPlatform({ home });
  expect(platform.output()).toContain('Pilotfish is running.');
  await eventually('the push is live', 60_000, async () => {
    return (await getPage(platform.connection.applicationUrl)).text.includes('Pushed while');
  });
});

test('Ctrl-C in the middle of a start leaves nothing behind', async () => {
  await platform.stop();
  for (const moment of ['postgres', 'identity', 'logs/core-api.log']) {
    const other = await mkdtemp(join(tmpdir(), 'pf-early-'));
    const run = npmStart({ PILOTFISH_HOME: other });
    await eventually(`${moment} is there`, 60_000, async () => existsSync(join(other, moment)));
    run.interrupt();
    await run.ended;
    expect(await processesOf(other), moment).toEqual([]);
    expect(await readdir(other)).not.toContain('connection.json');
    await removeHome(other);
  }
});

async function listEnvironments(): Promise<unknown> {
  const { projectId } = platform.connection;
  const client = officialClients(platform.connection);
  const { results = [] } = (await client.environments.listEnvironment(projectId)).data;
  return results.map(({ id, name }) => ({ id, name }));
}

/** A visitor who takes note of every answer that is none. */
function visitAgainAndAgain(url: string) {
  const stopping = new AbortController();
  const failures: string[] = [];
  let answers = 0;
  const visiting = (async () => {
    while (!stopping.signal.aborted) {
      try {
        const { status } = await getPage(url);
        if (status !== 200) failures.push(`answered ${status}`);
      } catch (error) {
        failures.push(String(error));
      }
      answers += 1;
      await systemClock.sleep(10, stopping.signal).catch(() => undefined);
    }
  })();
  return {
    async more(count: number) {
      const enough = answers + count;
      await eventually(`${count} more visits`, 30_000, async () => answers >= enough);
    },
    async stop() {
      stopping.abort();
      await visiting;
      return failures;
    },
  };
}
