/** A real server that is killed, hangs, and comes back, under the eyes of one store. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildServer } from '@pilotfish/http';
import { Fault, systemClock } from '@pilotfish/kernel';
import { createHealth, createLogger, createMetrics } from '@pilotfish/runtime';
import { findFreePorts, type RunningPostgres, startPostgres } from '@pilotfish/servers';
import { afterEach, beforeEach, expect, onTestFinished, test } from 'vitest';
import { migrate, openStore, type Store, tables } from '../src/index.ts';

let dataFolder: string;
let port: number;
let server: RunningPostgres;
let store: Store;

const start = () =>
  startPostgres({
    env: { PATH: process.env.PATH, HOME: process.env.HOME, ...cacheOf(process.env) },
    dataFolder,
    port,
    fsync: false,
    endWithParent: true,
  });

function cacheOf({ XDG_CACHE_HOME }: NodeJS.ProcessEnv) {
  return XDG_CACHE_HOME === undefined ? {} : { XDG_CACHE_HOME };
}

beforeEach(async () => {
  dataFolder = mkdtempSync(join(tmpdir(), 'pilotfish-outage-'));
  [port = 0] = await findFreePorts(1);
  server = await start();
  await migrate({ url: server.url });
  store = await openStore({ url: server.url, name: 'outage', max: 3 });
});

afterEach(async () => {
  await store.close();
  await server.stop();
  rmSync(dataFolder, { recursive: true, force: true });
});

function signalAll(signal: NodeJS.Signals): void {
  const { pid } = server.process ?? { pid: Number.NaN };
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ');
  for (const one of [pid, ...children.map(Number)]) process.kill(one, signal);
}

const count = () => store.system('worker', (tx) => tx.db.$count(tables.organizations));

/** What became of more transactions than there are connections, and the longest of them. */
async function tryMany(): Promise<{ outcomes: unknown[]; longestMs: number }> {
  const startMs = systemClock.monotonicMs();
  const outcomes = await Promise.all(
    Array.from({ length: 12 }, () => count().catch((error: unknown) => error)),
  );
  return { outcomes, longestMs: systemClock.monotonicMs() - startMs };
}

function expectUnavailable(outcomes: readonly unknown[]): void {
  for (const outcome of outcomes) {
    expect(outcome).toBeInstanceOf(Fault);
    expect((outcome as Fault).code).toBe('unavailable');
  }
}

/** A server of the same making as core-api's, with one route that needs the database. */
function httpServer() {
  const app = buildServer({
    name: 'outage',
    logger: createLogger({ name: 'outage', level: 'silent' }),
    health: createHealth(),
    metrics: createMetrics('outage'),
  });
  const config = { permission: { public: 'a test' } };
  app.get('/count', { config }, async () => ({ count: await count() }));
  return app;
}

async function msUntilItAnswers(): Promise<number> {
  const startMs = systemClock.monotonicMs();
  await expect.poll(() => count().catch(() => -1), { timeout: 20_000, interval: 50 }).toBe(0);
  return systemClock.monotonicMs() - startMs;
}

test('a killed database is told within seconds, however long it is away, and found again soon', async () => {
  await tryMany();
  await server.stop();
  // Often enough for the driver's pauses to grow as far as they go.
  for (let round = 0; round < 4; round += 1) {
    const { outcomes, longestMs } = await tryMany();
    expectUnavailable(outcomes);
    expect(longestMs).toBeLessThan(3500);
  }
  await expect(store.ping()).rejects.toThrow('The database does not answer');
  const app = httpServer();
  const answer = await app.inject('/count');
  expect(answer.statusCode).toBe(503);
  expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
  server = await start();
  expect(await msUntilItAnswers()).toBeLessThan(2500);
});

test('a database that hangs is told within seconds, and nothing given up is done later', async () => {
  await tryMany();
  let isDone = false;
  signalAll('SIGSTOP');
  try {
    const late = store.system('worker', async () => {
      isDone = true;
    });
    const [{ outcomes, longestMs }, given] = await Promise.all([
      tryMany(),
      late.catch((error: unknown) => error),
    ]);
    expectUnavailable([...outcomes, given]);
    expect(longestMs).toBeLessThan(4000);
  } finally {
    signalAll('SIGCONT');
  }
  expect(await msUntilItAnswers()).toBeLessThan(2500);
  expect(isDone).toBe(false);
});

test('a statement and a commit that hang end in bounded time, and the database is found again', async () => {
  const hanging = await openStore({ url: server.url, name: 'hanging', statementSecondsMax: 1 });
  onTestFinished(() => hanging.close());
  const frozen = Promise.withResolvers<void>();
  const begun = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const work = (n: number, isAsking: boolean) =>
    hanging.system('worker', async (tx) => {
      begun[n]?.resolve();
      await frozen.promise;
      if (isAsking) await tx.db.$count(tables.organizations);
    });
  const outcomes = [work(0, true), work(1, false)].map((one) =>
    one.catch((error: unknown) => error),
  );
  await Promise.all(begun.map(({ promise }) => promise));
  signalAll('SIGSTOP');
  const startMs = systemClock.monotonicMs();
  try {
    frozen.resolve();
    expectUnavailable(await Promise.all(outcomes));
    // The server's own limit, and the 5 s after which it counts as hanging.
    expect(systemClock.monotonicMs() - startMs).toBeLessThan(8000);
  } finally {
    signalAll('SIGCONT');
  }
  await hanging.ping();
});
