/** The life of `npm start` itself: stop, resume, crash, a second one. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, expect, test, vi } from 'vitest';

const root = join(import.meta.dirname, '../../..');
const startMsMax = 150_000;

interface Connection {
  readonly apiUrl: string;
  readonly gitUrl: string;
  readonly applicationUrl: string;
  readonly token: string;
  readonly processes: Readonly<Record<string, readonly number[]>>;
}

interface Run {
  readonly npm: ChildProcess;
  readonly ended: Promise<unknown>;
  output(): string;
}

const homes: string[] = [];
const runs: Run[] = [];

function newHome(): string {
  const home = mkdtempSync(join(tmpdir(), 'pf-life-'));
  homes.push(home);
  return home;
}

function npmStart(home: string): Run {
  const npm = spawn('npm', ['start', '--silent'], {
    cwd: root,
    env: { ...process.env, NODE_ENV: undefined, PILOTFISH_HOME: home },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  let text = '';
  for (const stream of [npm.stdout, npm.stderr]) {
    stream?.setEncoding('utf8').on('data', (part: string) => {
      text += part;
    });
  }
  const run = { npm, ended: once(npm, 'exit'), output: () => text };
  runs.push(run);
  return run;
}

/** As a terminal does it: the whole foreground group gets the signal. */
async function signalGroup({ npm, ended }: Run, signal: NodeJS.Signals): Promise<void> {
  if (npm.exitCode === null && npm.signalCode === null && npm.pid !== undefined) {
    process.kill(-npm.pid, signal);
  }
  await ended;
}

function readConnection(home: string): Connection {
  return JSON.parse(readFileSync(join(home, 'connection.json'), 'utf8')) as Connection;
}

/** Waits for the last words of this very run; connection.json may be that of one that was killed. */
async function isUp(run: Run, home: string): Promise<Connection> {
  const up = () => {
    if (run.npm.exitCode !== null) throw new Error(run.output());
    return run.output().includes('Pilotfish is running. Ctrl-C stops everything.');
  };
  await vi.waitUntil(up, { timeout: startMsMax, interval: 100 });
  return readConnection(home);
}

function getStatus(url: string): Promise<number> {
  const { port, host } = new URL(url);
  return new Promise((resolve) => {
    const call = request({ host: '127.0.0.1', port, headers: { host } }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    call.once('error', () => resolve(0));
    call.end();
  });
}

/** Processes that work in the home, whoever their parent is: services, servers, applications. */
function processesIn(home: string): string[] {
  return readdirSync('/proc').filter((pid) => {
    try {
      const text = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
      return text.includes(home) || readlinkSync(`/proc/${pid}/cwd`).startsWith(home);
    } catch {
      return false;
    }
  });
}

afterEach(async () => {
  for (const run of runs.splice(0)) await signalGroup(run, 'SIGINT');
});

afterAll(() => {
  for (const home of homes) rmSync(home, { recursive: true, force: true });
});

test('Ctrl-C stops everything, applications too, and npm start goes on where it ended', async () => {
  const home = newHome();
  const run = npmStart(home);
  const before = await isUp(run, home);
  expect(await getStatus(before.applicationUrl)).toBe(200);
  expect(run.output()).not.toContain(before.token);
  await signalGroup(run, 'SIGINT');
  expect(run.output()).toContain('Stopped; npm start goes on where this ended.');
  expect(processesIn(home)).toEqual([]);
  expect(existsSync(join(home, 'connection.json'))).toBe(false);

  const after = await isUp(npmStart(home), home);
  const { processes: _, ...addresses } = before;
  expect(after).toMatchObject(addresses);
  await vi.waitUntil(async () => (await getStatus(after.applicationUrl)) === 200, 30_000);
});

test('after kill -9 of the runner everything serves on, and the next start adopts it', async () => {
  const home = newHome();
  const run = npmStart(home);
  const before = await isUp(run, home);
  await signalGroup(run, 'SIGKILL');
  expect(await getStatus(before.applicationUrl)).toBe(200);

  const next = npmStart(home);
  const after = await isUp(next, home);
  expect(next.output()).toContain('The last run was cut short; still running:');
  const { runner: _, ...processesBefore } = before.processes;
  expect(after.processes).toMatchObject(processesBefore);
  expect(await getStatus(after.applicationUrl)).toBe(200);
});

test('a second npm start on the same home says so, one on another home does not collide', async () => {
  const [home, otherHome] = [newHome(), newHome()];
  const connection = await isUp(npmStart(home), home);
  const second = npmStart(home);
  await second.ended;
  expect(second.npm.exitCode).not.toBe(0);
  expect(second.output().trim().split('\n').at(-1)).toMatch(
    /Pilotfish is running already on .*pid/,
  );

  const other = await isUp(npmStart(otherHome), otherHome);
  expect(other.apiUrl).not.toBe(connection.apiUrl);
  const statuses = [connection, other].map(({ applicationUrl }) => getStatus(applicationUrl));
  expect(await Promise.all(statuses)).toEqual([200, 200]);
});
