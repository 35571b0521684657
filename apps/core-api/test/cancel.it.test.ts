import {
  type ControlReply,
  type ControlRequest,
  type ExecutionEvent,
  messages,
} from '@pilotfish/contracts';
import { systemClock } from '@pilotfish/kernel';
import { createLogger } from '@pilotfish/runtime';
import { expect, test, vi } from 'vitest';
import { askToCancel } from '../src/executions/ask-to-cancel.ts';
import { cancelExecution } from '../src/handlers/cancel-execution.ts';
import { testControlPlane } from './control-plane.ts';
import { deployWorld } from './world.ts';

const logger = createLogger({ name: 'test', level: 'silent' });

type Cancel = Extract<ControlRequest, { kind: 'cancel' }>;

async function newPlane() {
  const plane = await testControlPlane();
  const { store, world, engine, engineBus, sql } = plane;
  const { clusterId, environmentId } = world;
  const { bus } = await plane.startReplica();
  const { executionId } = await deployWorld(store, world, 1);
  const asked: Cancel[] = [];
  return {
    ...plane,
    asked,
    /** As the API does it. */
    async cancel() {
      const request = { environmentId, force: false };
      await store.tenant(world.context, (tx) => cancelExecution(tx, systemClock.now(), request));
      return await askToCancel({ store, bus, logger }, world.context.organizationId, executionId);
    },
    /** An engine whose slots are busy: it ends by the cancel alone what it has not pulled. */
    answer() {
      const ended: ExecutionEvent = {
        kind: 'execution_ended',
        sequence: 1,
        at: systemClock.now().toString(),
        outcome: 'CANCELED',
        summary: 'Canceled before it was started',
        isolation: 'T0',
      };
      engineBus.respond(
        messages.control,
        { clusterId },
        async ({ body }): Promise<ControlReply> => {
          if (body.kind !== 'cancel') return { kind: 'presenting' };
          asked.push(body);
          const { issue } = body;
          if (issue === undefined) return { kind: 'canceling', known: false };
          await engine.report({ ...issue, clusterId, executionId: body.executionId }, [ended]);
          return { kind: 'canceling', known: true };
        },
      );
    },
    execution: async () =>
      (await sql`select status, explanation, attempt from executions where id = ${executionId}`)[0],
  };
}

const canceled = { status: 'CANCELED', explanation: 'Canceled by Ada.' };
const soon = { timeout: 2000, interval: 50 };

test('a cancel says enough for an engine to end what it has not pulled', async () => {
  const plane = await newPlane();
  await plane.engineBus.connected();
  plane.answer();
  await plane.engine.hello();
  expect(await plane.cancel()).toBe('canceling');
  await vi.waitFor(async () => expect(await plane.execution()).toMatchObject(canceled), soon);
  const { environmentId, projectId } = plane.world;
  expect(plane.asked[0]?.issue).toMatchObject({
    ...{ environmentId, projectId, sequenceFloor: 0 },
    ...{ generation: 1, attempt: 1, lease: 1, epoch: 1 },
  });
});

test('without an engine a cancel waits, and an engine that comes hears of it before it may pull', async () => {
  const plane = await newPlane();
  await plane.engineBus.connected();
  expect(await plane.cancel()).toBe('unreachable');
  expect(await plane.execution()).toMatchObject({ status: 'CANCELING' });
  plane.answer();
  await plane.engine.hello();
  expect(plane.asked.length).toBeGreaterThan(0);
  await vi.waitFor(async () => expect(await plane.execution()).toMatchObject(canceled), soon);
});

test('what an engine has reported on is left to that engine to end', async () => {
  const plane = await newPlane();
  const task = await plane.engine.pull();
  task?.ack();
  if (!task) throw new Error('no task');
  const at = systemClock.now().toString();
  await plane.engine.report(task.body, [{ kind: 'execution_started', sequence: 1, at }]);
  await vi.waitFor(async () =>
    expect(await plane.execution()).toMatchObject({ status: 'ONGOING' }),
  );
  plane.answer();
  expect(await plane.cancel()).toBe('unknown');
  expect(plane.asked[0]).not.toHaveProperty('issue');
});
