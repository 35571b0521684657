import {
  type ControlReply,
  type LogLine,
  messages,
  type ServiceLog,
  socketClose,
} from '@pilotfish/contracts';
import { newId, type ReleaseId, systemClock } from '@pilotfish/kernel';
import { tables } from '@pilotfish/store';
import type { ServiceLogResponseDto } from 'qovery-ws-typescript-axios';
import { beforeEach, expect, test } from 'vitest';
import { connect, type TestClient, waitUntil } from './socket-client.ts';
import { makeWorld, type World } from './world.ts';

let world: World;
const kept: LogLine[] = [];
let asked = 0;

beforeEach(async () => {
  world = await makeWorld();
  kept.length = 0;
  asked = 0;
});

function logLine(sequence: number, change: Partial<LogLine> = {}): LogLine {
  return {
    sequence,
    at: '2026-11-20T10:00:00.123Z',
    instance: 'web-1',
    version: 'abc',
    stream: 'stdout',
    text: `line ${sequence}`,
    ...change,
  };
}

/**
 * An engine that keeps lines and answers for them, as the real one does: also where `fitting` of
 * them, long ones, fill a message.
 */
function answerAsEngine(fitting = 500): void {
  const { cluster: clusterId } = world.ids;
  world.engine.respond(messages.control, { clusterId }, async ({ body }): Promise<ControlReply> => {
    asked++;
    if (body.kind !== 'read_logs') return { kind: 'error', detail: 'no' };
    const { afterSequence, limit } = body;
    const all = kept.filter((one) => one.sequence > (afterSequence ?? 0));
    const linesMax = Math.min(limit, fitting);
    const lines = afterSequence === undefined ? all.slice(-linesMax) : all.slice(0, linesMax);
    const [oldestSequence = 0] = kept.map((one) => one.sequence);
    const newestSequence = kept.at(-1)?.sequence ?? 0;
    return { kind: 'log_lines', lines, oldestSequence, newestSequence };
  });
}

async function tell(...lines: LogLine[]): Promise<void> {
  const { cluster: clusterId, service: serviceId } = world.ids;
  await world.engine.publish(messages.logs, { clusterId, serviceId }, { serviceId, lines });
}

function open(url: string, change: Record<string, string> = {}): TestClient {
  const { organization, cluster, project, environment, service, token } = world.ids;
  const query = { organization, cluster, project, environment, service, ...change };
  return connect(url, '/service/logs', query, { token });
}
const linesOf = (client: TestClient) => client.frames as ServiceLog[];
const textsOf = (client: TestClient) => linesOf(client).map((one) => one.message);

test('the newest lines come from the engine, then live ones, each once', async () => {
  answerAsEngine();
  const { url } = await world.startGateway();
  kept.push(...Array.from({ length: 30 }, (_, index) => logLine(index + 1)));
  const client = open(url, { limit: '5' });
  await waitUntil(() => linesOf(client).length === 5);
  kept.push(logLine(31), logLine(32, { stream: 'stderr' }));
  await tell(logLine(30), logLine(31));
  await tell(logLine(32, { stream: 'stderr' }));
  await waitUntil(() => linesOf(client).length === 7);
  expect(textsOf(client)).toEqual([26, 27, 28, 29, 30, 31, 32].map((n) => `line ${n}`));
  const first: ServiceLogResponseDto | undefined = linesOf(client)[0];
  expect(first).toEqual({
    container_name: 'web',
    created_at: Date.parse('2026-11-20T10:00:00.123Z'),
    from_kube: false,
    labels: { stream: 'stdout' },
    message: 'line 26',
    pod_name: 'web-1',
    severity_text: 'INFO',
    version: 'abc',
    cursor: `${world.ids.service}:26`,
  });
});

test('a lost line is asked for, and a client returns with its cursor', async () => {
  answerAsEngine();
  const { url } = await world.startGateway();
  const client = open(url);
  await waitUntil(() => asked > 0);
  kept.push(...Array.from({ length: 700 }, (_, index) => logLine(index + 1)));
  await tell(logLine(700));
  await waitUntil(() => linesOf(client).length === 700);
  const cursor = linesOf(client)[399]?.cursor ?? '';
  const returned = open(url, { after: cursor });
  await waitUntil(() => linesOf(returned).length === 300);
  expect(textsOf(returned)[0]).toBe('line 401');
  expect(textsOf(returned).at(-1)).toBe('line 700');
});

test('a gap that is too old is said plainly, with the rest behind it', async () => {
  answerAsEngine();
  const { url } = await world.startGateway();
  kept.push(logLine(11), logLine(12));
  const client = open(url, { after: `${world.ids.service}:3` });
  await waitUntil(() => linesOf(client).length === 3);
  expect(linesOf(client)[0]?.gap).toEqual({ missing: 7 });
  expect(textsOf(client).slice(1)).toEqual(['line 11', 'line 12']);
  // Numbered anew: the engine's memory was lost.
  const foreign = open(url, { after: `${world.ids.service}:999` });
  await waitUntil(() => linesOf(foreign).length === 3);
  expect(linesOf(foreign)[0]?.gap).toEqual({ missing: null });
});

test('one instance can be picked out', async () => {
  answerAsEngine();
  const { url } = await world.startGateway();
  kept.push(logLine(1), logLine(2, { instance: 'web-2' }), logLine(3));
  const client = open(url, { pod_name: 'web-2' });
  await waitUntil(() => linesOf(client).length === 1);
  expect(textsOf(client)).toEqual(['line 2']);
});

test('lines are chosen by what they say and when, and also the live ones', async () => {
  answerAsEngine();
  const { url } = await world.startGateway();
  kept.push(logLine(1), logLine(2, { at: '2026-11-20T11:00:00Z' }));
  kept.push(logLine(3, { at: '2026-11-20T11:00:00Z', stream: 'stderr' }));
  const query = `{qovery_com_service_id="${world.ids.service}", level="error"} |= "line"`;
  const asked = open(url, { query });
  const since = open(url, { start: '2026-11-20T10:30:00Z' });
  await waitUntil(() => linesOf(asked).length === 1 && linesOf(since).length === 2);
  kept.push(
    logLine(4),
    logLine(5, { stream: 'stderr' }),
    logLine(6, { at: '2026-11-20T12:00:00Z' }),
  );
  await tell(...kept.slice(3));
  await waitUntil(() => linesOf(asked).length === 2 && linesOf(since).length === 3);
  expect(textsOf(asked)).toEqual(['line 3', 'line 5']);
  expect(textsOf(since)).toEqual(['line 2', 'line 3', 'line 6']);
});

test('what cannot be understood is refused in words, not ignored', async () => {
  const { url } = await world.startGateway();
  for (const change of [{ query: 'zzz' }, { start: 'garbage' }, { deployment_id: 'x' }]) {
    const { code, reason } = await open(url, change).closed;
    expect(code).toBe(socketClose.badRequest);
    expect(reason).toMatch(`Parameter ${Object.keys(change)[0]}: `);
  }
});

test('the lines of a deployment are those of the release that it ran', async () => {
  answerAsEngine();
  const { url } = await world.startGateway();
  const { service: serviceId, organization: organizationId, environment, stage } = world.ids;
  const deployment = await world.addExecution({
    queuedAt: Temporal.Instant.from('2026-11-20T09:59:00Z'),
  });
  const releaseId = newId<ReleaseId>();
  await world.db.insert(tables.releases).values({
    id: releaseId,
    organizationId,
    environmentId: environment,
    serviceId,
    number: 1,
    commitSha: 'abc',
    branch: 'main',
    config: {} as never,
    executionId: deployment,
    status: 'ACTIVE',
    createdAt: systemClock.now(),
  });
  await world.db.insert(tables.executionServices).values({
    executionId: deployment,
    serviceId,
    organizationId,
    stageId: stage,
    action: 'DEPLOY',
    releaseId,
    progress: 'DEPLOYED',
  });
  kept.push(logLine(1), logLine(2, { instance: `${releaseId}-1` }));
  kept.push(logLine(3, { instance: `${releaseId}-2` }));
  kept.push(logLine(4, { instance: `${releaseId}-1`, at: '2026-11-20T09:58:00Z' }));
  const client = open(url, { deployment_id: deployment });
  await waitUntil(() => linesOf(client).length === 2);
  expect(textsOf(client)).toEqual(['line 2', 'line 3']);
  // Another environment's deployment, and one that had nothing to do with the service.
  const without = await world.addExecution({ status: 'QUEUED' });
  for (const deployment_id of [newId(), without]) {
    const { code, reason } = await open(url, { deployment_id }).closed;
    expect([code, reason]).toEqual([
      socketClose.refused,
      'There is no deployment of that service by this deployment_id',
    ]);
  }
});

test('an engine that is away is waited for, and then nothing is missing', async () => {
  const { url } = await world.startGateway();
  kept.push(logLine(1), logLine(2));
  const client = open(url);
  await tell(logLine(2));
  answerAsEngine();
  await waitUntil(() => linesOf(client).length === 2);
  expect(textsOf(client)).toEqual(['line 1', 'line 2']);
});

test('long lines come in many small pages: all that were wanted, each once', async () => {
  answerAsEngine(7);
  const { url } = await world.startGateway();
  kept.push(...Array.from({ length: 100 }, (_, index) => logLine(index + 51)));
  const fresh = open(url, { limit: '40' });
  const all = open(url);
  const returned = open(url, { after: `${world.ids.service}:60` });
  await waitUntil(() => linesOf(fresh).length >= 40 && linesOf(all).length >= 100);
  await waitUntil(() => linesOf(returned).length >= 90);
  const expected = kept.map((one) => one.text);
  expect(textsOf(fresh)).toEqual(expected.slice(-40));
  expect(textsOf(all)).toEqual(expected);
  expect(textsOf(returned)).toEqual(expected.slice(-90));
});

test('whoever waits for an engine that cannot read its lines is told to come back', async () => {
  const { cluster: clusterId } = world.ids;
  const detail = 'The supervisor does not answer';
  world.engine.respond(
    messages.control,
    { clusterId },
    async (): Promise<ControlReply> => ({ kind: 'error', detail }),
  );
  const { url } = await world.startGateway({ logsFailingMsMax: 300 });
  const { code, reason } = await open(url).closed;
  expect(code).toBe(socketClose.tryAgain);
  expect(reason).toContain(detail);
});

test('a service of another environment is not found', async () => {
  const { url } = await world.startGateway();
  expect((await open(url, { service: world.others.service }).closed).code).toBe(1008);
});
