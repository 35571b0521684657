/** A real server that is killed, hangs, and comes back, under the eyes of one store. */
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { buildServer } from '@pilotfish/http';
import {
  Fault,
  type IncomingWebhookId,
  newId,
  type OrganizationId,
  systemClock,
} from '@pilotfish/kernel';
import { createHealth, createLogger, createMetrics } from '@pilotfish/runtime';
import { findFreePorts, type RunningPostgres, startPostgres } from '@pilotfish/servers';
import { until } from '@pilotfish/testing/real-process';
import { afterAll, beforeAll, expect, type TestContext, test } from 'vitest';
import {
  migrate,
  type NewDelivery,
  openInbox,
  openStore,
  type Store,
  tables,
} from '../src/index.ts';

/** Each test has one of its own, so that they wait side by side. */
interface Outage {
  readonly store: Store;
  start(): Promise<void>;
  stop(): Promise<void>;
  url(): string;
  signalAll(signal: NodeJS.Signals): void;
}

/** A stopped, migrated server: what each test's is copied from. */
let template: string;

beforeAll(async () => {
  template = mkdtempSync(join(tmpdir(), 'pilotfish-outage-'));
  const server = await start(template);
  await migrate({ url: server.url });
  await server.stop();
});

afterAll(() => rmSync(template, { recursive: true, force: true }));

async function start(dataFolder: string, known?: number): Promise<RunningPostgres> {
  const [port = 0] = known === undefined ? await findFreePorts(1) : [known];
  return await startPostgres({
    env: { PATH: process.env.PATH, HOME: process.env.HOME, ...cacheOf(process.env) },
    dataFolder,
    port,
    fsync: false,
    endWithParent: true,
  });
}

function cacheOf({ XDG_CACHE_HOME }: NodeJS.ProcessEnv) {
  return XDG_CACHE_HOME === undefined ? {} : { XDG_CACHE_HOME };
}

let made = 0;

async function newOutage({ onTestFinished }: TestContext): Promise<Outage> {
  const dataFolder = `${template}-${made++}`;
  await promisify(execFile)('cp', ['-a', template, dataFolder]);
  let server = await start(dataFolder);
  const port = Number(new URL(server.url).port);
  const store = await openStore({ url: server.url, name: 'outage', max: 3 });
  onTestFinished(async () => {
    await store.close();
    await server.stop();
    rmSync(dataFolder, { recursive: true, force: true });
  });
  return {
    store,
    async start() {
      server = await start(dataFolder, port);
    },
    stop: () => server.stop(),
    url: () => server.url,
    signalAll: (signal) => signalAll(server, signal),
  };
}

function signalAll(server: RunningPostgres, signal: NodeJS.Signals): void {
  const { pid } = server.process ?? { pid: Number.NaN };
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ');
  for (const one of [pid, ...children.map(Number)]) process.kill(one, signal);
}

const count = (store: Store) => store.system('worker', (tx) => tx.db.$count(tables.organizations));

/** What became of more transactions than there are connections, and the longest of them. */
async function tryMany(store: Store): Promise<{ outcomes: unknown[]; longestMs: number }> {
  const startMs = systemClock.monotonicMs();
  const outcomes = await Promise.all(
    Array.from({ length: 12 }, () => count(store).catch((error: unknown) => error)),
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
function httpServer(store: Store) {
  const app = buildServer({
    name: 'outage',
    logger: createLogger({ name: 'outage', level: 'silent' }),
    health: createHealth(),
    metrics: createMetrics('outage'),
  });
  const config = { permission: { public: 'a test' } };
  app.get('/count', { config }, async () => ({ count: await count(store) }));
  return app;
}

async function msUntilItAnswers(store: Store): Promise<number> {
  const startMs = systemClock.monotonicMs();
  await until('it answers', async () => (await count(store).catch(() => -1)) === 0);
  return systemClock.monotonicMs() - startMs;
}

test.concurrent('a killed database is told within seconds, however long it is away, and found again soon', async (context) => {
  const outage = await newOutage(context);
  const { store } = outage;
  await tryMany(store);
  await outage.stop();
  // Often enough for the driver's pauses to grow as far as they go.
  for (let round = 0; round < 4; round += 1) {
    const { outcomes, longestMs } = await tryMany(store);
    expectUnavailable(outcomes);
    expect(longestMs).toBeLessThan(3500);
  }
  await expect(store.ping()).rejects.toThrow('The database does not answer');
  const app = httpServer(store);
  const answer = await app.inject('/count');
  expect(answer.statusCode).toBe(503);
  expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
  await outage.start();
  expect(await msUntilItAnswers(store)).toBeLessThan(2500);
});

test.concurrent('a database that hangs is told within seconds, and nothing given up is done later', async (context) => {
  const outage = await newOutage(context);
  const { store } = outage;
  await tryMany(store);
  let isDone = false;
  outage.signalAll('SIGSTOP');
  try {
    const late = store.system('worker', async () => {
      isDone = true;
    });
    const [{ outcomes, longestMs }, given] = await Promise.all([
      tryMany(store),
      late.catch((error: unknown) => error),
    ]);
    expectUnavailable([...outcomes, given]);
    expect(longestMs).toBeLessThan(4000);
  } finally {
    outage.signalAll('SIGCONT');
  }
  expect(await msUntilItAnswers(store)).toBeLessThan(2500);
  expect(isDone).toBe(false);
});

test.concurrent('a statement and a commit that hang end in bounded time, and the database is found again', async (context) => {
  const outage = await newOutage(context);
  const hanging = await openStore({ url: outage.url(), name: 'hanging', statementSecondsMax: 1 });
  context.onTestFinished(() => hanging.close());
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
  outage.signalAll('SIGSTOP');
  const startMs = systemClock.monotonicMs();
  try {
    frozen.resolve();
    expectUnavailable(await Promise.all(outcomes));
    // The server's own limit, and the 5 s after which it counts as hanging.
    expect(systemClock.monotonicMs() - startMs).toBeLessThan(8000);
  } finally {
    outage.signalAll('SIGCONT');
  }
  await hanging.ping();
});

test.concurrent('a batch and a question of the inbox that hang end in bounded time, and the database is found again', async (context) => {
  const outage = await newOutage(context);
  const inbox = await openInbox({ url: outage.url(), name: 'inbox', statementSecondsMax: 1 });
  context.onTestFinished(() => inbox.close());
  await Promise.all([inbox.ping(), inbox.ping()]);
  outage.signalAll('SIGSTOP');
  const startMs = systemClock.monotonicMs();
  try {
    const asked = [inbox.append([newDelivery()]), inbox.ping()];
    expectUnavailable(await Promise.all(asked.map((one) => one.catch((error: unknown) => error))));
    expect(systemClock.monotonicMs() - startMs).toBeLessThan(8000);
  } finally {
    outage.signalAll('SIGCONT');
  }
  await inbox.ping();
});

function newDelivery(): NewDelivery {
  return {
    incomingWebhookId: newId<IncomingWebhookId>(),
    organizationId: newId<OrganizationId>(),
    providerDeliveryId: 'one',
    event: 'push',
    receivedAt: systemClock.now(),
    headers: {},
    body: Buffer.from('{}'),
  };
}
