import { type Bus, envelope } from '@pilotfish/bus';
import {
  type EnvironmentTask,
  type EventBatch,
  type ExecutionEvent,
  type Hello,
  messages,
  protocol,
} from '@pilotfish/contracts';
import { newId, systemClock } from '@pilotfish/kernel';
import { vi } from 'vitest';
import type { World } from './world.ts';

/** Everything of an event but its place. */
type Told = ExecutionEvent extends infer E
  ? E extends unknown
    ? Omit<E, 'sequence' | 'at'>
    : never
  : never;

/** The events of a task that goes well. */
export function successOf(task: EnvironmentTask): ExecutionEvent[] {
  const told: Told[] = [{ kind: 'execution_started' }];
  for (const { stageId, name, services } of task.stages) {
    told.push({ kind: 'stage_started', stageId, name });
    for (const { serviceId, release, action } of services) {
      told.push({ kind: 'service_progressed', stageId, serviceId, progress: 'BUILDING' });
      told.push({ kind: 'line', stageId, serviceId, step: 'BUILD', severity: 'INFO', text: 'ok' });
      const done = action === 'STOP' ? 'STOPPED' : action === 'DELETE' ? 'DELETED' : 'DEPLOYED';
      told.push({
        kind: 'service_progressed',
        stageId,
        serviceId,
        progress: done,
        ...(release === null ? {} : { releaseId: release.releaseId }),
      });
    }
    told.push({ kind: 'stage_ended', stageId, outcome: 'DONE' });
  }
  told.push({ kind: 'execution_ended', outcome: 'SUCCEEDED', summary: 'Done.', isolation: 'T0' });
  return number(task, told);
}

function number(task: Pick<EnvironmentTask, 'sequenceFloor'>, told: readonly Told[]) {
  const at = systemClock.now().toString();
  return told.map(
    (one, index) => ({ ...one, at, sequence: task.sequenceFloor + index + 1 }) as ExecutionEvent,
  );
}

export function batchOf(
  task: Pick<
    EnvironmentTask,
    | 'epoch'
    | 'generation'
    | 'lease'
    | 'attempt'
    | 'organizationId'
    | 'projectId'
    | 'clusterId'
    | 'environmentId'
    | 'executionId'
  >,
  events: ExecutionEvent[],
): EventBatch {
  const { epoch, generation, lease, attempt } = task;
  const { organizationId, projectId, clusterId, environmentId, executionId } = task;
  return {
    ...envelope({ id: newId(), epoch, generation, lease, attempt }),
    organizationId,
    projectId,
    clusterId,
    environmentId,
    executionId,
    events,
  };
}

/** The protocol's side of an engine, without a journal and without a target. */
export function testEngine(bus: Bus, world: World) {
  const { clusterId } = world;
  return {
    async pull(waitMs = 20_000) {
      await bus.connected();
      // A pull ends early while the consumer is not made yet.
      const untilMs = systemClock.monotonicMs() + waitMs;
      for (;;) {
        const leftMs = untilMs - systemClock.monotonicMs();
        if (leftMs <= 0) return null;
        const options = { clusterId, waitMs: Math.ceil(Math.max(leftMs, 500)) };
        const task = await bus.fetchTask(messages.environmentTask, options);
        if (task !== null) return task;
      }
    },
    async report(task: Parameters<typeof batchOf>[0], events: ExecutionEvent[]) {
      const { environmentId, executionId } = task;
      const to = { clusterId, environmentId, executionId };
      await bus.publish(messages.events, to, batchOf(task, events));
    },
    async hello(change: Partial<Hello> = {}) {
      const hello: Hello = {
        engineId: world.engineId,
        clusterId,
        protocolOldest: protocol.oldest,
        protocolNewest: protocol.current,
        version: 'test',
        target: 'process',
        isolation: 'T0',
        taskKinds: ['environment'],
        highestEpoch: 1,
        generations: [],
        openExecutions: [],
        ...change,
      };
      // As an engine does: until somebody answers.
      return await vi.waitFor(
        () => bus.request(messages.hello, { clusterId }, hello, { timeoutMs: 5000 }),
        { timeout: 20_000, interval: 200 },
      );
    },
  };
}
