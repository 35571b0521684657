import type { EnvironmentLog, ExecutionEvent } from '@pilotfish/contracts';
import type { ExecutionId } from '@pilotfish/kernel';
import fc from 'fast-check';
import type { EnvironmentLogs } from 'qovery-typescript-axios';
import { beforeEach, describe, expect, test } from 'vitest';
import { connect, type TestClient, waitUntil } from './socket-client.ts';
import { endEvent, lineEvent, makeWorld, type World } from './world.ts';

let world: World;
beforeEach(async () => {
  world = await makeWorld();
});

function address(version?: ExecutionId, after?: string): Record<string, string> {
  const { organization, cluster, project, environment } = world.ids;
  return {
    organization,
    cluster,
    project,
    environment,
    ...(version === undefined ? {} : { version }),
    ...(after === undefined ? {} : { after }),
  };
}
const open = (url: string, version?: ExecutionId, after?: string) =>
  connect(url, '/deployment/logs', address(version, after), { token: world.ids.token });
const linesOf = (client: TestClient) => client.frames.flat() as EnvironmentLog[];
const textsOf = (client: TestClient) => linesOf(client).map((one) => one.message?.safe_message);
const line = (sequence: number) => lineEvent(world.ids, sequence);
const lines = (from: number, to: number): ExecutionEvent[] =>
  Array.from({ length: to - from + 1 }, (_, index) => line(from + index));
const texts = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, index) => `line ${from + index}`);

test('stored lines come first, then live ones, each once, to the end', async () => {
  const { url } = await world.startGateway();
  const execution = await world.addExecution();
  await world.commit(execution, lines(1, 250));
  const client = open(url, execution);
  await waitUntil(() => linesOf(client).length === 250);
  // What is told live repeats what is stored, and goes beyond it.
  await world.tell(execution, lines(240, 255));
  await world.commit(execution, lines(251, 255));
  await world.tell(execution, [line(256), endEvent(257)]);
  await waitUntil(() => linesOf(client).length === 257);
  expect(textsOf(client)).toEqual([...texts(1, 256), 'All is well.']);
  expect(linesOf(client).at(-1)?.execution_ended).toEqual({
    execution_id: execution,
    outcome: 'SUCCEEDED',
  });
  const timestamps = linesOf(client).map((one) => one.timestamp);
  expect(new Set(timestamps).size).toBe(257);
  expect(timestamps.every((one) => Number.isFinite(Date.parse(one)))).toBe(true);
  // What the official client makes of a frame, held to its types by the compiler.
  const [first]: EnvironmentLogs[] = linesOf(client);
  expect(first?.details).toEqual({
    organization_id: world.ids.organization,
    cluster_id: world.ids.cluster,
    execution_id: execution,
    transmitter: { id: world.ids.service, name: 'web', type: 'Application' },
    stage: { step: 'Build', id: world.ids.stage, name: 'DEFAULT' },
  });
});

test('live lines are shown before they are stored, and a lost one is fetched from there', async () => {
  const { url } = await world.startGateway();
  const execution = await world.addExecution();
  const client = open(url, execution);
  await world.commit(execution, [line(1)]);
  await waitUntil(() => linesOf(client).length === 1);
  await world.tell(execution, lines(2, 3));
  await waitUntil(() => linesOf(client).length === 3);
  await world.tell(execution, [line(6)]);
  await world.commit(execution, lines(2, 5));
  await waitUntil(() => linesOf(client).length === 6);
  expect(textsOf(client)).toEqual(texts(1, 6));
});

test('without NATS history is served and followed; with it, live goes on', async () => {
  const { url } = await world.startGateway();
  await world.nats.kill();
  const execution = await world.addExecution();
  await world.commit(execution, lines(1, 3));
  const client = open(url, execution);
  await waitUntil(() => linesOf(client).length === 3);
  await world.commit(execution, [line(4)]);
  await waitUntil(() => linesOf(client).length === 4);
  const ready = await fetch(`${url.replace('ws', 'http')}/health/ready`);
  expect(ready.status).toBe(200);
  expect(await ready.json()).toMatchObject({ failing: [], degraded: [{ name: 'nats' }] });
  await world.nats.start();
  await world.engine.connected(AbortSignal.timeout(10_000));
  await world.commit(execution, [line(5)]);
  await waitUntil(() => linesOf(client).length === 5);
  expect(textsOf(client)).toEqual(texts(1, 5));
});

/** What the engine tells, what the ingester stores of it, and when the client is cut off. */
const step = fc.oneof(
  fc.record({ kind: fc.constant('tell' as const), from: fc.nat(8), count: fc.nat(12) }),
  fc.record({ kind: fc.constant('store' as const), count: fc.integer({ min: 1, max: 12 }) }),
  fc.record({ kind: fc.constant('cut' as const) }),
);

test('lost, repeated, late, cut off, on two replicas: every line once and in order', async () => {
  const replicas = [await world.startGateway(), await world.startGateway()];
  const story = fc.array(step, { minLength: 5, maxLength: 25 });
  await fc.assert(
    fc.asyncProperty(story, async (steps) => {
      const execution = await world.addExecution();
      const received: EnvironmentLog[] = [];
      let turn = 0;
      let client = open(replicas[0]?.url ?? '', execution);
      const cut = async () => {
        await client.drop();
        received.push(...linesOf(client));
        turn++;
        const { url } = replicas[turn % replicas.length] ?? { url: '' };
        client = open(url, execution, received.at(-1)?.cursor);
      };
      let stored = 0;
      let told = 0;
      for (const one of steps) {
        if (one.kind === 'cut') await cut();
        else if (one.kind === 'tell' && one.count > 0) {
          const from = Math.max(1, told - one.from);
          told = Math.max(told, from + one.count - 1);
          await world.tell(execution, lines(from, from + one.count - 1));
        } else if (one.kind === 'store') {
          await world.commit(execution, lines(stored + 1, stored + one.count));
          stored += one.count;
        }
      }
      const total = Math.max(stored, told);
      const rest = [...lines(stored + 1, total), endEvent(total + 1)];
      await world.commit(execution, rest);
      await world.end(execution, 'SUCCEEDED');
      await world.tell(execution, [endEvent(total + 1)]);
      const isOver = () =>
        [...received, ...linesOf(client)].some((one) => one.execution_ended !== undefined);
      await waitUntil(isOver);
      await cut();
      const got = received.map((one) => one.message?.safe_message);
      expect(got).toEqual([...texts(1, total), 'All is well.']);
      await client.drop();
    }),
    { numRuns: 12 },
  );
}, 120_000);

test('without a version the present deployment is shown, and those that follow it', async () => {
  const { url } = await world.startGateway();
  const first = await world.addExecution();
  await world.commit(first, [line(1)]);
  const client = open(url);
  await waitUntil(() => linesOf(client).length === 1);
  await world.commit(first, [endEvent(2)]);
  await world.end(first, 'SUCCEEDED');
  await world.tell(first, [endEvent(2)]);
  await waitUntil(() => linesOf(client).length === 2);
  const second = await world.addExecution();
  await world.tell(second, [lineEvent(world.ids, 1, 'of the second')]);
  await world.commit(second, [lineEvent(world.ids, 1, 'of the second')]);
  await waitUntil(() => linesOf(client).length === 3);
  expect(textsOf(client)).toEqual(['line 1', 'All is well.', 'of the second']);

  // Somebody who left in the middle of the first returns and misses neither.
  const returned = open(url, undefined, linesOf(client)[0]?.cursor);
  await waitUntil(() => linesOf(returned).length === 2);
  expect(textsOf(returned)).toEqual(['All is well.', 'of the second']);
});

test('a deployment that no engine ever ran ends with the reason, once', async () => {
  const { url } = await world.startGateway();
  const execution = await world.addExecution({
    status: 'QUEUED',
    explanation: 'Part of a newer push.',
  });
  const client = open(url, execution);
  await world.end(execution, 'SUPERSEDED');
  await world.nats.kill(); // Nobody tells: it is found by looking.
  await waitUntil(() => linesOf(client).length === 1);
  expect(textsOf(client)).toEqual(['Part of a newer push.']);
  const [last] = linesOf(client);
  expect(last?.execution_ended?.outcome).toBe('CANCELED');
  const returned = open(url, execution, last?.cursor);
  await waitUntil(() => returned.socket.readyState === returned.socket.OPEN);
  const other = open(url, execution);
  await waitUntil(() => linesOf(other).length === 1);
  expect(linesOf(returned)).toEqual([]);
});

test('lines that are no longer kept are said to be missing, and the rest follows', async () => {
  const { url } = await world.startGateway();
  const execution = await world.addExecution();
  await world.commit(execution, [...lines(5, 6), endEvent(7)]);
  await world.end(execution, 'SUCCEEDED');
  const client = open(url, execution, `${execution}:2`);
  await waitUntil(() => linesOf(client).length === 4);
  expect(linesOf(client)[0]?.gap).toEqual({ missing: 2 });
  expect(textsOf(client).slice(1)).toEqual(['line 5', 'line 6', 'All is well.']);
});

test('a cursor beyond the end is said to be of a memory that is gone, and all is shown', async () => {
  const { url } = await world.startGateway();
  const execution = await world.addExecution();
  await world.commit(execution, lines(1, 2));
  // Whether it is ahead cannot be known before the end: live lines are ahead of stored ones.
  const early = open(url, execution, `${execution}:99`);
  await waitUntil(() => early.socket.readyState === early.socket.OPEN);
  await world.commit(execution, [endEvent(3)]);
  await world.end(execution, 'SUCCEEDED');
  await world.tell(execution, [endEvent(3)]);
  const late = open(url, execution, `${execution}:99`);
  for (const client of [late, early]) {
    await waitUntil(() => linesOf(client).length === 4);
    expect(linesOf(client)[0]).toMatchObject({ gap: { missing: null }, cursor: `${execution}:0` });
    expect(textsOf(client).slice(1)).toEqual([...texts(1, 2), 'All is well.']);
  }
});

test('what an engine says under an older lease is not shown', async () => {
  const { url } = await world.startGateway();
  const execution = await world.addExecution({ lease: 3 });
  const client = open(url, execution);
  await world.commit(execution, [line(1)]);
  await waitUntil(() => linesOf(client).length === 1);
  await world.tell(execution, [lineEvent(world.ids, 2, 'of the revoked engine')]);
  await world.commit(execution, [line(2)]);
  // Whoever is connected again reads in history what it missed.
  await world.nats.kill();
  await world.nats.start();
  await waitUntil(() => linesOf(client).length === 2);
  expect(textsOf(client)).toEqual(texts(1, 2));
});

describe('a failure', () => {
  test('is explained with its cause, the lines that matter and what to try', async () => {
    const { url } = await world.startGateway();
    const execution = await world.addExecution();
    await world.commit(execution, [
      {
        kind: 'service_progressed',
        sequence: 1,
        at: '2026-11-20T10:00:00.000Z',
        stageId: world.ids.stage,
        serviceId: world.ids.service,
        progress: 'BUILD_FAILED',
        explanation: {
          cause: 'BUILD_FAILED',
          summary: 'The build ended with exit code 1.',
          lines: ['Error: no such module', '  at build.js:1'],
          suggestion: 'Add it to package.json.',
        },
      },
    ]);
    const client = open(url, execution);
    await waitUntil(() => linesOf(client).length === 1);
    expect(linesOf(client)[0]).toMatchObject({
      type: 'ERROR',
      details: { stage: { step: 'BuildError' } },
      error: {
        tag: 'BUILD_FAILED',
        user_log_message: 'The build ended with exit code 1.',
        hint_message: 'Add it to package.json.',
        underlying_error: { full_details: 'Error: no such module\n  at build.js:1' },
      },
      message: { safe_message: 'web could not be built.' },
    });
  });
});
