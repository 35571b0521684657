import path from 'node:path';
import { type ClusterId, type EngineId, newId, systemClock } from '@pilotfish/kernel';
import { createLogger } from '@pilotfish/runtime';
import { type TestNats, testNats } from '@pilotfish/testing';
import { createFakeTarget, type FakeTarget } from '@pilotfish/testing/fake-target';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Engine, type EngineDeps, startEngine } from '../src/engine.ts';
import { type TestControlPlane, testControlPlane } from './control-plane.ts';
import { tempFolder } from './core.ts';
import { environmentTask, serviceTask, stageOf } from './tasks.ts';

const clusterId = newId<ClusterId>();
const engineId = newId<EngineId>();
const patience = { timeout: 10_000, interval: 20 };

let nats: TestNats;
let plane: TestControlPlane;
let target: FakeTarget;
let folder: ReturnType<typeof tempFolder>;
let engine: Engine;

const noLogs: EngineDeps['logs'] = {
  read: async () => ({ lines: [], oldestSequence: 0, newestSequence: 0 }),
  async *follow(signal) {
    yield [];
    await systemClock.sleep(3_600_000, signal);
  },
};

async function start(change: Partial<EngineDeps> = {}): Promise<Engine> {
  engine = await startEngine({
    engineId,
    clusterId,
    version: 'test',
    slots: 2,
    journalFile: path.join(folder.path, 'journal.db'),
    target,
    logs: noLogs,
    openSecrets: async () => ({ secrets: {}, sourcePassword: undefined }),
    refusal: () => null,
    onNoConnection: () => {},
    onDeath: (error) => {
      throw error;
    },
    clock: systemClock,
    random: () => 0,
    logger: createLogger({ name: 'engine', level: 'silent' }),
    ...change,
  });
  const { bus } = await nats.engineBus({ engineId, clusterId });
  engine.attach(bus);
  return engine;
}

beforeEach(async () => {
  folder = tempFolder();
  nats = await testNats();
  plane = await testControlPlane(await nats.bus('core-api'), clusterId);
  target = createFakeTarget();
});
afterEach(async () => {
  await engine.close();
  folder.remove();
});

const task = (...args: Parameters<typeof environmentTask>) =>
  environmentTask(args[0], { clusterId, ...args[1] });

test('a task is pulled, executed, reported and confirmed', async () => {
  await start();
  const deployment = task([stageOf(serviceTask(), serviceTask())]);
  await plane.publish(deployment);
  await expect.poll(() => plane.ended(deployment.executionId), patience).toBe(true);
  const events = plane.events(deployment.executionId);
  expect(events.map(({ sequence }) => sequence)).toEqual(events.map((_, index) => index + 1));
  expect(events.at(-1)).toMatchObject({ kind: 'execution_ended', outcome: 'SUCCEEDED' });
  await expect
    .poll(() => engine.ledger.find(deployment.executionId)?.state, patience)
    .toBe('confirmed');
  expect(plane.hellos[0]).toMatchObject({ engineId, taskKinds: ['environment'] });
});
