import path from 'node:path';
import type { EnvironmentTask } from '@pilotfish/contracts';
import { type ExecutionId, newId, type ReleaseId } from '@pilotfish/kernel';
import { createFakeTarget, type FakeTarget } from '@pilotfish/testing/fake-target';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Core, type CoreOptions, openCore, tempFolder } from '../../test/core.ts';
import { environmentTask, rowOf, serviceTask, stageOf } from '../../test/tasks.ts';
import type { NumberedEvent } from './event-body.ts';

let folder: ReturnType<typeof tempFolder>;
let core: Core;
let target: FakeTarget;

async function open(options: Partial<CoreOptions> = {}): Promise<void> {
  target = createFakeTarget();
  core = await openCore({ file: path.join(folder.path, 'journal.db'), target, ...options });
}
beforeEach(async () => {
  folder = tempFolder();
  await open();
});
afterEach(async () => {
  await core.journal.close();
  folder.remove();
});

async function execute(task: EnvironmentTask): Promise<NumberedEvent[]> {
  const execution = await core.ledger.receive(rowOf(task));
  await core.run(execution);
  return await core.events(execution);
}

function progressOf(events: NumberedEvent[]): string[] {
  return events.flatMap((event) => (event.kind === 'service_progressed' ? [event.progress] : []));
}
const lastOf = (events: NumberedEvent[]) => events.at(-1);

test('a deployment goes through its stages and ends with one terminal event', async () => {
  const events = await execute(environmentTask([stageOf(serviceTask()), stageOf(serviceTask())]));
  expect(progressOf(events)).toEqual(
    [0, 1].flatMap(() => ['FETCHING', 'STARTING', 'SWITCHING', 'DEPLOYED']),
  );
  expect(events.map(({ sequence }) => sequence)).toEqual(events.map((_, index) => index + 1));
  expect(lastOf(events)).toMatchObject({
    kind: 'execution_ended',
    outcome: 'SUCCEEDED',
    isolation: 'T0',
  });
});

test('a failure stops what was started, skips later stages and lets the old version serve', async () => {
  const service = serviceTask();
  const task = environmentTask([stageOf(service)]);
  await execute(task);
  const broken = {
    ...service,
    release: {
      ...service.release!,
      releaseId: newId<ReleaseId>(),
      variables: { FAKE_AWAIT_HEALTHY: 'fail' },
    },
  };
  const later = serviceTask({ name: 'later' });
  const events = await execute({
    ...task,
    executionId: newId<ExecutionId>(),
    generation: 2,
    stages: [stageOf(broken), stageOf(later)],
  });
  expect(progressOf(events)).toEqual(['FETCHING', 'STARTING', 'DEPLOY_FAILED', 'SKIPPED']);
  expect(lastOf(events)).toMatchObject({ outcome: 'FAILED', summary: 'Failed: web' });
  const observed = await target.observe(task.environmentId, new AbortController().signal);
  expect(observed).toEqual([
    {
      serviceId: service.serviceId,
      servingReleaseId: service.release?.releaseId,
      runningReleaseIds: [service.release?.releaseId],
    },
  ]);
});

test('a failure that passes is tried again by the engine itself', async () => {
  const service = serviceTask({}, { FAKE_BUILD: 'unavailable:2' });
  const events = await execute(environmentTask([stageOf(service)]));
  expect(lastOf(events)).toMatchObject({ outcome: 'SUCCEEDED' });
  const warnings = events.flatMap((event) =>
    event.kind === 'line' && event.severity === 'WARNING' ? [event.text] : [],
  );
  const sentences = /^The Git host does not answer\. Trying again in \d+ s$/;
  expect(warnings).toEqual([expect.stringMatching(sentences), expect.stringMatching(sentences)]);
});

test('a Git host that stays away is given up and named as the cause', async () => {
  const service = serviceTask({}, { FAKE_BUILD: 'unavailable:99' });
  const events = await execute(environmentTask([stageOf(service)]));
  const failure = events.find(
    (event) => event.kind === 'service_progressed' && event.progress === 'BUILD_FAILED',
  );
  expect(failure).toMatchObject({ explanation: { cause: 'SOURCE_UNAVAILABLE' } });
});

test('an error that nobody foresaw ends in a terminal event too', async () => {
  const service = serviceTask({}, { FAKE_SWITCH: 'break' });
  const events = await execute(environmentTask([stageOf(service)]));
  expect(progressOf(events)).toEqual(['FETCHING', 'STARTING', 'SWITCHING', 'DEPLOY_FAILED']);
  expect(lastOf(events)).toMatchObject({ outcome: 'FAILED' });
  expect(target.effects().at(-1)).toMatchObject({ effect: 'abandoned' });
});

test('a cancel ends a build that hangs and nothing of it is left', async () => {
  const service = serviceTask({}, { FAKE_AWAIT_HEALTHY: 'hang' });
  const execution = await core.ledger.receive(
    rowOf(environmentTask([stageOf(service), stageOf(serviceTask())])),
  );
  const running = core.run(execution);
  await expect.poll(() => target.effects().at(-1)?.step).toBe('await_healthy');
  expect(await core.ledger.cancel(execution, 'safe')).toBe(true);
  await running;
  const events = await core.events(execution);
  expect(progressOf(events)).toEqual(['FETCHING', 'STARTING', 'CANCELED', 'CANCELED']);
  expect(lastOf(events)).toMatchObject({ outcome: 'CANCELED' });
  expect(target.effects().at(-1)).toMatchObject({ effect: 'abandoned' });
});

test('secrets do not get into any text', async () => {
  await core.journal.close();
  const secret = 'tr0ub4dor&3 "quoted"';
  const openSecrets = async () => ({ secrets: { PASSWORD: secret }, sourcePassword: undefined });
  await open({ openSecrets });
  const events = await execute(environmentTask([stageOf(serviceTask({}, { FAKE_BUILD: 'leak' }))]));
  expect(JSON.stringify(events)).not.toContain('tr0ub4dor');
  expect(JSON.stringify(events)).toContain('using ***!');
});
