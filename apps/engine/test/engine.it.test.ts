import path from 'node:path';
import { messages } from '@pilotfish/contracts';
import {
  type ClusterId,
  type EngineId,
  type ExecutionId,
  newId,
  type ServiceId,
  systemClock,
} from '@pilotfish/kernel';
import { type TestNats, testNats } from '@pilotfish/testing';
import { createFakeTarget, type FakeTarget } from '@pilotfish/testing/fake-target';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Engine, type EngineDeps, startEngine } from '../src/engine.ts';
import { type TestControlPlane, testControlPlane } from './control-plane.ts';
import { tempFolder } from './core.ts';
import { engineDeps } from './engine-deps.ts';
import { environmentTask, serviceTask, stageOf } from './tasks.ts';

const clusterId = newId<ClusterId>();
const engineId = newId<EngineId>();
const patience = { timeout: 10_000, interval: 20 };

let nats: TestNats;
let plane: TestControlPlane;
let target: FakeTarget;
let folder: ReturnType<typeof tempFolder>;
let engine: Engine;

async function start(change: Partial<EngineDeps> = {}): Promise<Engine> {
  const journalFile = path.join(folder.path, 'journal.db');
  engine = await startEngine({
    ...engineDeps({ engineId, clusterId, slots: 2, journalFile, target }),
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

test('a second execution of an environment waits, another environment does not', async () => {
  await start();
  const slow = task([stageOf(serviceTask({}, { FAKE_BUILD: 'hang' }))]);
  const { environmentId } = slow;
  const next = task([stageOf(serviceTask())], { environmentId, generation: 2 });
  const other = task([stageOf(serviceTask())]);
  await plane.publish(slow);
  await expect.poll(() => engine.runner.running().length, patience).toBe(1);
  await plane.publish(other);
  await expect.poll(() => plane.ended(other.executionId), patience).toBe(true);
  await plane.publish(next);
  await expect.poll(() => engine.ledger.find(next.executionId)?.state, patience).toBe('received');
  await plane.control({ kind: 'cancel', executionId: slow.executionId, force: false });
  await expect.poll(() => plane.ended(next.executionId), patience).toBe(true);
  expect(plane.terminals(slow.executionId)).toMatchObject([{ outcome: 'CANCELED' }]);
  expect(plane.terminals(next.executionId)).toMatchObject([{ outcome: 'SUCCEEDED' }]);
});

test('a cancel is answered at once and ends a hanging build within two seconds', async () => {
  await start();
  const hanging = task([stageOf(serviceTask({}, { FAKE_BUILD: 'hang' }))]);
  await plane.publish(hanging);
  await expect.poll(() => target.effects().length, patience).toBe(1);
  const startedMs = systemClock.monotonicMs();
  const { executionId } = hanging;
  const reply = await plane.control({ kind: 'cancel', executionId, force: false });
  expect(reply).toEqual({ kind: 'canceling', known: true });
  await expect.poll(() => plane.ended(executionId), patience).toBe(true);
  expect(systemClock.monotonicMs() - startedMs).toBeLessThan(2000);
  expect(
    await plane.control({ kind: 'cancel', executionId: newId<ExecutionId>(), force: true }),
  ).toEqual({ kind: 'canceling', known: false });
});

test('the same task again, and of a higher attempt, has no second effect', async () => {
  await start();
  const first = task([stageOf(serviceTask())]);
  await plane.publish(first);
  await expect.poll(() => plane.ended(first.executionId), patience).toBe(true);
  const effects = target.effects().length;
  // Past the stream's own deduplication, as after the loss of an ack.
  await plane.publish({ ...first, attempt: 2, sequenceFloor: 0 });
  await expect.poll(() => plane.batches.some(({ attempt }) => attempt === 2), patience).toBe(true);
  await expect.poll(() => engine.ledger.find(first.executionId)?.state, patience).toBe('confirmed');
  expect(plane.terminals(first.executionId)).toHaveLength(1);
  expect(target.effects()).toHaveLength(effects);
});

test('a task that cannot be executed is refused in words, and its end is confirmed', async () => {
  await start();
  const good = task([stageOf(serviceTask())], { epoch: 5, generation: 7 });
  await plane.publish(good);
  await expect.poll(() => plane.ended(good.executionId), patience).toBe(true);
  const { environmentId } = good;
  const refused = [
    task([], { environmentId, epoch: 4, generation: 8 }),
    task([], { environmentId, epoch: 5, generation: 6 }),
    task([], { epoch: 5, v: 2 }),
  ];
  for (const each of refused) await plane.publish(each);
  const summaries = () =>
    refused.map(({ executionId }) => plane.terminals(executionId)[0]?.summary);
  await expect
    .poll(summaries, patience)
    .toEqual([
      expect.stringContaining('epoch 4'),
      expect.stringContaining('generation 6'),
      expect.stringContaining('protocol 2'),
    ]);
  await expect.poll(() => engine.ledger.unconfirmed(), patience).toEqual([]);
});

test('reports wait while NATS is away and arrive complete, even when it forgot everything', async () => {
  await start();
  const service = serviceTask({}, { FAKE_BUILD: 'hang' });
  const deployment = task([stageOf(service)]);
  plane.confirming = false;
  await plane.publish(deployment);
  await expect.poll(() => target.effects().length, patience).toBe(1);
  await nats.kill();
  nats.wipe();
  const execution = engine.ledger.find(deployment.executionId)!;
  await engine.ledger.cancel(execution, 'safe');
  await expect.poll(() => execution.state, patience).toBe('reported');
  await nats.start();
  const bus = await nats.bus('core-api');
  await expect
    .poll(
      () =>
        bus.ensureStreams().then(
          () => true,
          () => false,
        ),
      patience,
    )
    .toBe(true);
  plane.confirming = true;
  await expect.poll(() => execution.state, { ...patience, timeout: 30_000 }).toBe('confirmed');
  expect(plane.terminals(deployment.executionId)).toHaveLength(1);
  expect(plane.contradictions).toEqual([]);
}, 60_000);

test('an engine that starts again goes on with what was open and says so in its hello', async () => {
  await start();
  const deployment = task([stageOf(serviceTask({}, { FAKE_AWAIT_HEALTHY: 'hang' }))]);
  await plane.publish(deployment);
  await expect.poll(() => target.effects().at(-1)?.step, patience).toBe('await_healthy');
  await engine.close();
  expect(plane.ended(deployment.executionId)).toBe(false);
  await start();
  await expect.poll(() => plane.hellos.length, patience).toBe(2);
  expect(plane.hellos[1]).toMatchObject({
    openExecutions: [deployment.executionId],
    generations: [{ environmentId: deployment.environmentId, generation: 1 }],
    highestEpoch: 1,
  });
  await expect
    .poll(() => target.effects().filter(({ step }) => step === 'await_healthy').length, patience)
    .toBe(2);
  const { executionId } = deployment;
  await plane.control({ kind: 'cancel', executionId, force: false });
  await expect.poll(() => plane.ended(executionId), patience).toBe(true);
  expect(target.effects().filter(({ effect }) => effect === 'started')).toHaveLength(1);
});

test('an engine whose journal was lost goes on from what the target and the floor say', async () => {
  await start();
  const deployment = task([stageOf(serviceTask())]);
  await plane.publish(deployment);
  await expect.poll(() => plane.ended(deployment.executionId), patience).toBe(true);
  await engine.close();
  folder.remove();
  await start();
  const floor = plane.events(deployment.executionId).length;
  // As if the terminal event had never been committed: issued again.
  await plane.publish({ ...deployment, attempt: 2, sequenceFloor: floor });
  const terminals = () => plane.terminals(deployment.executionId);
  await expect.poll(() => terminals().length, patience).toBe(2);
  expect(terminals()[1]).toMatchObject({ outcome: 'SUCCEEDED' });
  expect(plane.events(deployment.executionId)[floor]?.sequence).toBe(floor + 1);
  const effects = target.effects().map(({ effect }) => effect);
  expect(effects.filter((effect) => effect !== 'began')).toEqual(['built', 'started', 'switched']);
});

test('a control plane that says so gets no work done, and is asked again', async () => {
  plane.helloReply = { epoch: 1, lease: 1, refusal: 'protocol too old' };
  await start();
  const deployment = task([stageOf(serviceTask())]);
  await plane.publish(deployment);
  await expect.poll(() => engine.sessionRefusal(), patience).toBe('protocol too old');
  expect(engine.ledger.find(deployment.executionId)).toBeUndefined();
});

test('an engine that is asked to says hello again, under the epoch that is then answered', async () => {
  await start();
  await expect.poll(() => plane.hellos.length, patience).toBe(1);
  // As after a restore: the control plane is another one, the connection is the same.
  plane.helloReply = { epoch: 5, lease: 1, refusal: '' };
  expect(await plane.control({ kind: 'present' })).toEqual({ kind: 'presenting' });
  await expect.poll(() => plane.hellos.length, patience).toBe(2);
  await expect.poll(() => engine.ledger.highestEpoch(), patience).toBe(5);
});

test('reports carry the epoch of the hello, and lease and attempt of their task', async () => {
  plane.helloReply = { epoch: 9, lease: 4, refusal: '' };
  await start();
  await expect.poll(() => engine.ledger.highestEpoch(), patience).toBe(9);
  const deployment = task([stageOf(serviceTask())], { epoch: 9, lease: 3 });
  await plane.publish(deployment);
  await expect.poll(() => plane.ended(deployment.executionId), patience).toBe(true);
  expect(plane.batches[0]).toMatchObject({ epoch: 9, lease: 3, attempt: 1, generation: 1 });
});

test('lines of applications are sent on from a cursor and read on request', async () => {
  const serviceId = newId<ServiceId>();
  const lines = Array.from({ length: 5 }, (_, index) => ({
    sequence: index + 1,
    at: '2026-11-20T00:00:00.000Z',
    instance: 'a',
    version: 'v1',
    stream: 'stdout' as const,
    text: `line ${index + 1}`,
  }));
  const logs: EngineDeps['logs'] = {
    read: async (_, { after = 0, limit }) => ({
      lines: lines.filter(({ sequence }) => sequence > after).slice(0, limit),
      oldestSequence: 1,
      newestSequence: lines.length,
    }),
    async *follow(signal) {
      yield [{ serviceId, newestSequence: lines.length }];
      await systemClock.sleep(3_600_000, signal);
    },
  };
  const gateway = await nats.bus('websocket-gateway');
  const heard: number[] = [];
  gateway.subscribe(messages.logs, { clusterId }, ({ body }) => {
    heard.push(...body.lines.map(({ sequence }) => sequence));
  });
  await start({ logs });
  await expect.poll(() => heard, patience).toEqual([1, 2, 3, 4, 5]);
  const reply = await plane.control({ kind: 'read_logs', serviceId, afterSequence: 3, limit: 10 });
  expect(reply).toMatchObject({ kind: 'log_lines', lines: [{ sequence: 4 }, { sequence: 5 }] });
});

test('a forced cancel stops even what a plain one would bring to its end', async () => {
  await start();
  const first = task([stageOf(serviceTask())]);
  const [service] = first.stages[0]!.services;
  await plane.publish(first);
  await expect.poll(() => plane.ended(first.executionId), patience).toBe(true);
  const again = serviceTask({ serviceId: service!.serviceId }, { FAKE_RETIRE: 'hang' });
  const { environmentId } = first;
  const second = task([stageOf(again)], { environmentId, generation: 2 });
  const { executionId } = second;
  await plane.publish(second);
  const steps = () =>
    target.effects().flatMap((effect) => (effect.executionId === executionId ? effect.step : []));
  await expect.poll(() => steps().at(-1), patience).toBe('retire');
  await plane.control({ kind: 'cancel', executionId, force: false });
  expect(engine.runner.running()).toHaveLength(1);
  await plane.control({ kind: 'cancel', executionId, force: true });
  await expect.poll(() => plane.ended(executionId), patience).toBe(true);
  // It serves already: canceled or not, that is what happened.
  expect(plane.terminals(executionId)).toMatchObject([{ outcome: 'SUCCEEDED' }]);
  const warning = expect.objectContaining({ severity: 'WARNING', step: 'STOP' });
  expect(plane.events(executionId)).toContainEqual(warning);
});

test('a running execution that is issued again goes on under the new attempt', async () => {
  await start();
  const deployment = task([stageOf(serviceTask({}, { FAKE_AWAIT_HEALTHY: 'hang' }))]);
  const { executionId } = deployment;
  plane.confirming = false;
  await plane.publish(deployment);
  await expect.poll(() => target.effects().at(-1)?.step, patience).toBe('await_healthy');
  await plane.publish({ ...deployment, attempt: 2 });
  await expect.poll(() => engine.ledger.find(executionId)?.row.attempt, patience).toBe(2);
  plane.confirming = true;
  await plane.control({ kind: 'cancel', executionId, force: false });
  await expect.poll(() => engine.ledger.find(executionId)?.state, patience).toBe('confirmed');
  const again = plane.batches.filter(({ attempt }) => attempt === 2);
  expect(again[0]?.events[0]?.sequence).toBe(1);
  expect(plane.contradictions).toEqual([]);
  expect(target.effects().filter(({ effect }) => effect === 'started')).toHaveLength(1);
});
