import { tables } from '@pilotfish/store';
import { eq } from 'drizzle-orm';
import type { EnvironmentStatusesWithStages } from 'qovery-typescript-axios';
import { beforeEach, expect, test } from 'vitest';
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
  expect(first?.environment).toEqual({
    id: world.ids.environment,
    state: 'READY',
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
  await waitUntil(() => framesOf(client).length === 2);
  expect(framesOf(client)[1]?.stages[0]?.applications[0]).toMatchObject({
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
