import path from 'node:path';
import { type ClusterId, type EngineId, newId, systemClock } from '@pilotfish/kernel';
import { type TestNats, testNats } from '@pilotfish/testing';
import { createFakeTarget, type FakeTarget } from '@pilotfish/testing/fake-target';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Engine, type EngineDeps, startEngine } from '../src/engine.ts';
import { type TestControlPlane, testControlPlane } from './control-plane.ts';
import { aroundCommit, tempFolder } from './core.ts';
import { engineDeps } from './engine-deps.ts';
import { cancelOf, environmentTask, serviceTask, stageOf } from './tasks.ts';

const clusterId = newId<ClusterId>();
const engineId = newId<EngineId>();
const patience = { timeout: 10_000, interval: 20 };

let nats: TestNats;
let plane: TestControlPlane;
let target: FakeTarget;
let folder: ReturnType<typeof tempFolder>;
let engine: Engine;

/** One slot, so that what comes second waits in the stream. */
async function start(change: Partial<EngineDeps> = {}): Promise<void> {
  const journalFile = path.join(folder.path, 'journal.db');
  engine = await startEngine({
    ...engineDeps({ engineId, clusterId, slots: 1, journalFile, target }),
    ...change,
  });
  const { bus } = await nats.engineBus({ engineId, clusterId });
  const hellos = plane.hellos.length;
  engine.attach(bus);
  // From its hello on it can be asked.
  await expect.poll(() => plane.hellos.length, patience).toBeGreaterThan(hellos);
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

const task = (...[stages, change]: Parameters<typeof environmentTask>) =>
  environmentTask(stages, { clusterId, ...change });

/** A build that takes the only slot. */
async function takeTheSlot() {
  const long = task([stageOf(serviceTask({}, { FAKE_BUILD: 'hang' }))]);
  await plane.publish(long);
  await expect.poll(() => target.effects().length, patience).toBe(1);
  return { free: () => plane.control(cancelOf(long)) };
}

const effectsOf = ({ executionId }: { readonly executionId: string }) =>
  target.effects().filter((effect) => effect.executionId === executionId);

const canceled = [{ outcome: 'CANCELED' }];

test('what is canceled while every slot is busy ends at once and is never carried out', async () => {
  await start();
  const { free } = await takeTheSlot();
  const waiting = task([stageOf(serviceTask())]);
  const { executionId, environmentId } = waiting;
  await plane.publish(waiting);
  const askedMs = systemClock.monotonicMs();
  const replies = await Promise.all([1, 2].map(() => plane.control(cancelOf(waiting))));
  expect(replies).toEqual(Array(2).fill({ kind: 'canceling', known: true }));
  await expect.poll(() => plane.terminals(executionId), patience).toMatchObject(canceled);
  expect(systemClock.monotonicMs() - askedMs).toBeLessThan(2000);
  await expect.poll(() => engine.ledger.find(executionId)?.state, patience).toBe('confirmed');
  await free();
  // Of the same environment, so it is pulled after the canceled one.
  const next = task([stageOf(serviceTask())], { environmentId, generation: 2 });
  await plane.publish(next);
  await expect.poll(() => plane.ended(next.executionId), patience).toBe(true);
  expect(plane.terminals(next.executionId)).toMatchObject([{ outcome: 'SUCCEEDED' }]);
  expect(effectsOf(waiting)).toEqual([]);
  expect(plane.events(executionId)).toHaveLength(1);
  expect(plane.contradictions).toEqual([]);
});

test('an engine that was restarted before it pulled the canceled task does not carry it out', async () => {
  await start();
  await takeTheSlot();
  const waiting = task([stageOf(serviceTask())]);
  const { executionId, environmentId } = waiting;
  await plane.publish(waiting);
  plane.confirming = false;
  await plane.control(cancelOf(waiting));
  await engine.close();
  plane.confirming = true;
  await start({ slots: 2 });
  const next = task([stageOf(serviceTask())], { environmentId, generation: 2 });
  await plane.publish(next);
  await expect.poll(() => plane.ended(next.executionId), patience).toBe(true);
  await expect.poll(() => plane.terminals(executionId), patience).toMatchObject(canceled);
  expect(effectsOf(waiting)).toEqual([]);
  expect(plane.contradictions).toEqual([]);
});

test('an answered cancel is on the disk', async () => {
  let isHeld = false;
  const released = Promise.withResolvers<void>();
  await start({
    wrapJournal: (journal) =>
      aroundCommit(journal, async (write) => {
        if (isHeld) await released.promise;
        await write();
      }),
  });
  await engine.journal.load();
  isHeld = true;
  const waiting = task([stageOf(serviceTask())]);
  let isAnswered = false;
  const asked = plane.control(cancelOf(waiting)).then(() => {
    isAnswered = true;
  });
  try {
    await expect.poll(() => engine.ledger.find(waiting.executionId)?.state, patience).toBeDefined();
    expect(isAnswered).toBe(false);
    expect(plane.ended(waiting.executionId)).toBe(false);
  } finally {
    isHeld = false;
    released.resolve();
  }
  await asked;
  const { executions, environments } = await engine.journal.load();
  expect(executions).toMatchObject([{ executionId: waiting.executionId, cancel: 'safe' }]);
  expect(environments).toMatchObject([{ generation: 1 }]);
});

test('a canceled task that is delivered twice and issued again stays canceled', async () => {
  await start();
  const { free } = await takeTheSlot();
  const waiting = task([stageOf(serviceTask())]);
  const { executionId } = waiting;
  await plane.publish(waiting);
  await plane.control(cancelOf(waiting));
  await plane.publish({ ...waiting, attempt: 2 });
  const told = (attempt: number) =>
    plane.batches.some((batch) => batch.executionId === executionId && batch.attempt === attempt);
  // The second task waits behind the busy slot: the cancel itself says which attempt counts now.
  await plane.control(cancelOf({ ...waiting, attempt: 2 }));
  await expect.poll(() => told(2), patience).toBe(true);
  await free();
  await plane.publish({ ...waiting, attempt: 3 });
  await expect.poll(() => told(3), patience).toBe(true);
  await expect.poll(() => engine.ledger.find(executionId)?.state, patience).toBe('confirmed');
  expect(plane.terminals(executionId)).toMatchObject(canceled);
  expect(effectsOf(waiting)).toEqual([]);
  expect(plane.contradictions).toEqual([]);
});

test('a canceled execution that was forgotten is refused by its generation', async () => {
  await start();
  const waiting = task([stageOf(serviceTask())], { generation: 4 });
  const { executionId } = waiting;
  await plane.control(cancelOf(waiting));
  await expect.poll(() => engine.ledger.find(executionId)?.state, patience).toBe('confirmed');
  await engine.journal.commit([{ kind: 'executions_forgotten', executionIds: [executionId] }]);
  await engine.close();
  await start();
  await plane.publish({ ...waiting, sequenceFloor: 1 });
  const second = () => plane.events(executionId)[1];
  await expect.poll(second, patience).toMatchObject({ outcome: 'REFUSED' });
  expect(target.effects()).toEqual([]);
});

test('a control plane of an older epoch cannot end what this engine has not seen', async () => {
  plane.helloReply = { epoch: 5, lease: 1, refusal: '' };
  await start();
  await expect.poll(() => engine.ledger.highestEpoch(), patience).toBe(5);
  const old = task([stageOf(serviceTask())], { epoch: 4 });
  expect(await plane.control(cancelOf(old))).toEqual({ kind: 'canceling', known: false });
  expect(engine.ledger.find(old.executionId)).toBeUndefined();
});

test('a cancel does not make an environment of an older epoch one of the newer', async () => {
  await start();
  const first = task([stageOf(serviceTask())]);
  const { environmentId } = first;
  await plane.publish(first);
  await expect.poll(() => plane.ended(first.executionId), patience).toBe(true);
  const deletion = { environmentId, action: 'DELETE', epoch: 2, generation: 2 } as const;
  await plane.control(cancelOf(task([], deletion)));
  const expected = { environmentId, generation: 2, epoch: 1 };
  expect(engine.ledger.generations().get(environmentId)).toEqual(expected);
  expect((await engine.journal.load()).environments).toEqual([expected]);
});
