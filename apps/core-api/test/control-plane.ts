import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createKeyRing, type KeyRing } from '@pilotfish/crypto';
import { type Clock, systemClock } from '@pilotfish/kernel';
import { createLogger, createMetrics } from '@pilotfish/runtime';
import { ensureControlPlane, type Store } from '@pilotfish/store';
import { type TestDatabase, type TestNats, testDatabase, testNats } from '@pilotfish/testing';
import { onTestFinished } from 'vitest';
import { startIngester } from '../src/roles/ingester.ts';
import { startReconciler } from '../src/roles/reconciler.ts';
import { startRelay } from '../src/roles/relay.ts';
import { testEngine } from './engine.ts';
import { newWorld, type WorldOptions } from './world.ts';

const logger = createLogger({
  name: 'test',
  level: (process.env.TEST_LOG ?? 'silent') as 'silent',
});

/** A control plane of relay, ingester and reconciler over real servers, one process each would be. */
export async function testControlPlane(options: WorldOptions = {}) {
  const database = await testDatabase();
  const nats = await testNats();
  const folder = mkdtempSync(join(tmpdir(), 'pilotfish-test-keys-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const keys = await createKeyRing(join(folder, 'keys.json'));
  const { store } = database;
  await store.system('worker', (tx) => ensureControlPlane(tx, systemClock.now()));
  const world = await newWorld(store, options);
  const { bus } = await nats.engineBus(world);
  const engine = testEngine(bus, world);
  return {
    ...database,
    nats,
    keys,
    world,
    engine,
    engineBus: bus,
    startReplica: (clock: Clock = systemClock) => startReplica(database, nats, keys, clock),
  };
}

async function startReplica(database: TestDatabase, nats: TestNats, keys: KeyRing, clock: Clock) {
  const store: Store = await database.openStore('replica');
  const bus = await nats.bus('core-api');
  const deps = { store, bus, clock, logger, sourceAccess: async () => undefined };
  await bus.ensureStreams();
  const relay = startRelay({ ...deps, keys, random: () => 0.5 });
  const ingester = startIngester(deps);
  const reconciler = startReconciler({
    ...deps,
    metrics: createMetrics('test'),
    random: () => 0.5,
    git: { listHeads: async () => new Map() },
    authority: nats.authority,
    natsUrl: nats.url,
    gitServerUrl: 'http://git.invalid',
    keys,
    openGitProvider: () => Promise.reject(new Error('no Git provider is called here')),
    webhooksUrl: 'http://webhooks.invalid',
    applicationsUrl: 'http://localhost:8080',
    retention: { eventDays: 90, payloadDays: 30, deliveryDays: 90 },
    gapHealingSeconds: 60,
  });
  const close = async () => {
    await Promise.all([relay.close(), ingester.close(), reconciler.close()]);
  };
  onTestFinished(close);
  return { bus, close };
}
