import { newId } from '@pilotfish/kernel';
import { tables } from '@pilotfish/store';
import { eq } from 'drizzle-orm';
import type { EnvironmentStatusesWithStages } from 'qovery-typescript-axios';
import { beforeEach, expect, test } from 'vitest';
import type { ProjectFrame } from '../src/project-statuses.ts';
import type { StatusFrame } from '../src/status-frame.ts';
import { connect, type TestClient, waitUntil } from './socket-client.ts';
import { lineEvent, makeWorld, type World } from './world.ts';

let world: World;
beforeEach(async () => {
  world = await makeWorld();
});

const framesOf = (client: TestClient) => client.frames as StatusFrame[];
const statesOf = (client: TestClient) => framesOf(client).map((one) => one.environment.state);

function open(url: string, change: Record<string, string> = {}): TestClient {
  const { organization, cluster, project, environment, token } = world.ids;
  const query = { organization, cluster, project, environment, ...change };
  return connect(url, '/deployment/status', query, { token });
}

async function setState(state: 'DEPLOYING' | 'DEPLOYED', executionId: string) {
  const { db, ids } = world;
  const change = { state, lastExecutionId: executionId as never };
  await db
    .update(tables.environments)
    .set(change)
    .where(eq(tables.environments.id, ids.environment));
  await db.update(tables.services).set(change).where(eq(tables.services.id, ids.service));
}

test('the statuses come at once, and again only when they differ', async () => {
  const { url } = await world.startGateway();
  const client = open(url);
  await waitUntil(() => framesOf(client).length === 1);
  const [first] = framesOf(client);
  expect(first?.environment).toMatchObject({
    id: world.ids.environment,
    state: 'READY',
    last_deployment_date: null,
    last_deployment_state: 'READY',
    deployment_status: 'NEVER_DEPLOYED',
  });
  expect(first?.stages[0]?.applications[0]).toMatchObject({
    id: world.ids.service,
    state: 'READY',
    service_deployment_status: 'NEVER_DEPLOYED',
    status_details: { action: 'UNKNOWN', status: 'NEVER', sub_action: 'NONE' },
    deployment_requests_count: 0,
  });

  const execution = await world.addExecution();
  await world.db.insert(tables.executionServices).values({
    executionId: execution,
    serviceId: world.ids.service,
    organizationId: world.ids.organization,
    stageId: world.ids.stage,
    action: 'DEPLOY',
    progress: 'BUILDING',
  });
  await setState('DEPLOYING', execution);
  await world.tell(execution, [lineEvent(world.ids, 1)]);
  const latest = () => framesOf(client).at(-1)?.stages[0]?.applications[0];
  // The rows above were written one by one, and may have been shown so.
  await waitUntil(() => latest()?.state === 'DEPLOYING');
  expect(latest()).toMatchObject({
    state: 'DEPLOYING',
    execution_id: execution,
    is_part_last_deployment: true,
    status_details: { action: 'DEPLOY', status: 'ONGOING' },
    deployment_requests_count: 1,
  });

  // Nobody tells: it is found by looking, while something is at work.
  await setState('DEPLOYED', execution);
  await world.end(execution, 'SUCCEEDED');
  await waitUntil(() => statesOf(client).at(-1) === 'DEPLOYED');
  expect(new Set(framesOf(client).map((one) => JSON.stringify(one))).size).toBe(
    framesOf(client).length,
  );
});

test('without an environment all of the project are shown, also the ones that are made meanwhile', async () => {
  const { url } = await world.startGateway();
  const { organization, project, cluster, token } = world.ids;
  const ask = (change: Record<string, string> = {}) =>
    connect(url, '/deployment/status', { organization, project, ...change }, { token });
  const client = ask();
  const results = () => (client.frames as ProjectFrame[]).at(-1)?.results ?? [];
  await waitUntil(() => results().length === 1);
  expect(results()[0]).toMatchObject({ id: world.ids.environment, state: 'READY' });

  const execution = await world.addExecution();
  await setState('DEPLOYING', execution);
  await world.tell(execution, [lineEvent(world.ids, 1)]);
  await waitUntil(() => results()[0]?.state === 'DEPLOYING');
  expect(results()[0]).toMatchObject({ last_deployment_id: execution, last_deployment_date: null });
  await setState('DEPLOYED', execution);
  await world.end(execution, 'SUCCEEDED');
  const isDated = () => typeof results()[0]?.last_deployment_date === 'string';
  await waitUntil(() => results()[0]?.state === 'DEPLOYED' && isDated());
  const [row] = await world.db
    .select()
    .from(tables.environments)
    .where(eq(tables.environments.id, world.ids.environment));
  if (row === undefined) throw new Error('the environment is there');
  await world.db.insert(tables.environments).values({ ...row, id: newId(), name: 'another' });
  // Nobody tells of it: it is found by the next look, whatever that is for.
  await world.tell(execution, [lineEvent(world.ids, 2)]);
  await waitUntil(() => results().length === 2);

  const onCluster = ask({ cluster });
  await waitUntil(() => onCluster.frames.length === 1);
  expect((onCluster.frames as ProjectFrame[])[0]?.results).toHaveLength(2);
  for (const [change, code] of [
    [{ project: world.others.project }, 1008],
    [{ cluster: world.others.cluster }, 1008],
    [{ version: execution }, 1007],
  ] as const) {
    expect((await ask(change).closed).code).toBe(code);
  }
});

test('one execution is shown as it went', async () => {
  const { url } = await world.startGateway();
  const execution = await world.addExecution();
  await world.db.insert(tables.executionServices).values({
    executionId: execution,
    serviceId: world.ids.service,
    organizationId: world.ids.organization,
    stageId: world.ids.stage,
    action: 'DEPLOY',
    progress: 'BUILD_FAILED',
  });
  const client = open(url, { version: execution });
  await waitUntil(() => framesOf(client).length === 1);
  // What the official client makes of a frame, held to its types by the compiler.
  const frame: EnvironmentStatusesWithStages | undefined = framesOf(client)[0];
  expect(frame?.stages?.[0]?.applications?.[0]?.state).toBe('BUILD_ERROR');
});
