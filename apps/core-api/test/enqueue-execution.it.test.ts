import { Fault, type ServiceId, systemClock } from '@pilotfish/kernel';
import { type Store, tables } from '@pilotfish/store';
import { testDatabase } from '@pilotfish/testing';
import { eq } from 'drizzle-orm';
import { expect, test } from 'vitest';
import { cancelExecution } from '../src/handlers/cancel-execution.ts';
import { type ExecutionRequest, enqueueExecution } from '../src/handlers/enqueue-execution.ts';
import { newWorld, sha, type World } from './world.ts';

function deploy(world: World, n: number, services = world.serviceIds): ExecutionRequest {
  return {
    environmentId: world.environmentId,
    action: 'DEPLOY',
    services: services.map((serviceId) => ({ serviceId, commitSha: sha(n) })),
    origin: 'GIT',
    clientOrigin: 'GIT',
  };
}

async function enqueue(store: Store, world: World, request: ExecutionRequest) {
  const outcome = await store.tenant(world.context, (tx) =>
    enqueueExecution(tx, systemClock.now(), request),
  );
  if (outcome.kind === 'refused') throw new Error(outcome.reason);
  return outcome;
}

async function rows(store: Store, world: World) {
  return await store.tenant(world.context, async ({ db }) => ({
    executions: await db.select().from(tables.executions).orderBy(tables.executions.generation),
    outbox: await db.select().from(tables.outbox),
    parts: await db
      .select()
      .from(tables.executionServices)
      .orderBy(tables.executionServices.executionId),
    releases: await db.select().from(tables.releases).orderBy(tables.releases.id),
    services: await db.select().from(tables.services),
    environment: (await db.select().from(tables.environments))[0],
  }));
}

test('a request shows as queued, has its release and reaches the outbox at once', async () => {
  const { store } = await testDatabase();
  const world = await newWorld(store);
  const outcome = await enqueue(store, world, deploy(world, 1));
  expect(outcome).toMatchObject({ generation: 1, released: true, canceling: null });
  const after = await rows(store, world);
  expect(after.environment).toMatchObject({
    state: 'DEPLOYMENT_QUEUED',
    generation: 1,
    stagedGeneration: 1,
    releasedGeneration: 1,
    appliedGeneration: 0,
  });
  expect(after.executions).toMatchObject([{ status: 'RELEASED', lease: 1, attempt: 1 }]);
  expect(after.releases).toMatchObject([{ number: 1, commitSha: sha(1), status: 'PENDING' }]);
  expect(after.services).toMatchObject([{ state: 'DEPLOYMENT_QUEUED', lastRequestedSha: sha(1) }]);
  expect(after.outbox).toHaveLength(1);
});

test('the second of an environment waits without an outbox row', async () => {
  const { store } = await testDatabase();
  const world = await newWorld(store);
  await enqueue(store, world, deploy(world, 1));
  const second = await enqueue(store, world, deploy(world, 2));
  expect(second.released).toBe(false);
  const after = await rows(store, world);
  expect(after.executions.map((e) => e.status)).toEqual(['RELEASED', 'QUEUED']);
  expect(after.outbox.map((row) => row.executionId)).toEqual([after.executions[0]?.id]);
});

test('many requests at once get generations without a gap, and one is released', async () => {
  const { store } = await testDatabase();
  const world = await newWorld(store);
  await Promise.all(Array.from({ length: 20 }, (_, n) => enqueue(store, world, deploy(world, n))));
  const after = await rows(store, world);
  expect(after.executions.map((e) => e.generation)).toEqual(
    Array.from({ length: 20 }, (_, n) => n + 1),
  );
  expect(after.executions.filter((e) => e.status === 'RELEASED')).toHaveLength(1);
  expect(after.executions[0]?.status).toBe('RELEASED');
  expect(after.outbox).toHaveLength(1);
});

test('under latest, superseded pushes collapse into the newest and no service is lost', async () => {
  const { store } = await testDatabase();
  const world = await newWorld(store, { services: 2, queuePolicy: 'latest' });
  const [one, two] = world.serviceIds as [ServiceId, ServiceId];
  await enqueue(store, world, deploy(world, 1));
  await enqueue(store, world, deploy(world, 2, [one]));
  const third = await enqueue(store, world, deploy(world, 3, [two]));
  const after = await rows(store, world);
  expect(after.executions.map((e) => e.status)).toEqual(['RELEASED', 'SUPERSEDED', 'QUEUED']);
  expect(after.executions[1]).toMatchObject({
    supersededBy: third.executionId,
    explanation: expect.stringContaining(third.executionId),
  });
  const parts = after.parts.filter((part) => part.executionId === third.executionId);
  expect(new Map(parts.map((part) => [part.serviceId, part.commitSha]))).toEqual(
    new Map([
      [one, sha(2)],
      [two, sha(3)],
    ]),
  );
  expect(parts.every((part) => part.progress === 'QUEUED')).toBe(true);
});

test('under replace, the running one is canceled first', async () => {
  const { store } = await testDatabase();
  const world = await newWorld(store, { queuePolicy: 'replace' });
  const first = await enqueue(store, world, deploy(world, 1));
  const second = await enqueue(store, world, deploy(world, 2));
  expect(second.canceling).toBe(first.executionId);
  const after = await rows(store, world);
  expect(after.executions.map((e) => e.status)).toEqual(['CANCELING', 'QUEUED']);
  const newer = `execution ${second.executionId} (${sha(2).slice(0, 7)})`;
  expect(after.executions[0]?.explanation).toBe(`Canceled, because ${newer} replaces it.`);
});

test('under replace, what the canceled one had not done yet is done by the newcomer', async () => {
  const { store } = await testDatabase();
  const world = await newWorld(store, { services: 2, queuePolicy: 'replace' });
  const [one, two] = world.serviceIds as [ServiceId, ServiceId];
  await enqueue(store, world, deploy(world, 1, [one]));
  const second = await enqueue(store, world, deploy(world, 2, [two]));
  const { parts } = await rows(store, world);
  const commits = parts
    .filter((part) => part.executionId === second.executionId)
    .map((part) => [part.serviceId, part.commitSha] as const);
  expect(new Map(commits)).toEqual(
    new Map([
      [one, sha(1)],
      [two, sha(2)],
    ]),
  );
});

test.each(['queue', 'latest', 'replace'] as const)(
  'under %s, nothing behind a deletion brings the deleted service back',
  async (queuePolicy) => {
    const { store } = await testDatabase();
    const world = await newWorld(store, { services: 2, queuePolicy });
    const [gone, stays] = world.serviceIds as [ServiceId, ServiceId];
    await enqueue(store, world, deploy(world, 1));
    const deletion = { action: 'DELETE', origin: 'API', services: [{ serviceId: gone }] } as const;
    await enqueue(store, world, { ...deploy(world, 1), ...deletion });
    await expect(enqueue(store, world, deploy(world, 2, [gone]))).rejects.toThrow('being deleted');
    await enqueue(store, world, deploy(world, 3, [gone, stays]));
    await enqueue(store, world, { ...deploy(world, 4), services: 'all' });
    const { parts, services } = await rows(store, world);
    const last = parts.filter((part) => part.serviceId === gone).at(-1);
    expect(last).toMatchObject({ action: 'DELETE', releaseId: null });
    expect(services.find((service) => service.id === gone)?.state).toBe('DELETE_QUEUED');
  },
);

test('under forbid, a second request is refused and leaves no trace', async () => {
  const { store } = await testDatabase();
  const world = await newWorld(store, { queuePolicy: 'forbid' });
  await enqueue(store, world, deploy(world, 1));
  const refused = await store.tenant(world.context, (tx) =>
    enqueueExecution(tx, systemClock.now(), deploy(world, 2)),
  );
  expect(refused.kind).toBe('refused');
  const after = await rows(store, world);
  expect(after.executions).toHaveLength(1);
  expect(after.releases).toHaveLength(1);
  expect(after.environment?.generation).toBe(1);
});

test('the database itself refuses a second execution at work', async () => {
  const { store, sql } = await testDatabase();
  const world = await newWorld(store);
  await enqueue(store, world, deploy(world, 1));
  const second = await enqueue(store, world, deploy(world, 2));
  await expect(
    sql`update executions set status = 'ONGOING' where id = ${second.executionId}`,
  ).rejects.toMatchObject({ constraint_name: 'executions_one_open' });
});

test('canceling what waits ends it; canceling what an engine has marks it', async () => {
  const { store } = await testDatabase();
  const world = await newWorld(store);
  const first = await enqueue(store, world, deploy(world, 1));
  const second = await enqueue(store, world, deploy(world, 2));
  const cancel = (executionId?: typeof first.executionId) =>
    store.tenant(world.context, (tx) =>
      cancelExecution(tx, systemClock.now(), {
        environmentId: world.environmentId,
        force: false,
        ...(executionId === undefined ? {} : { executionId }),
      }),
    );
  expect(await cancel(second.executionId)).toEqual({
    executionId: second.executionId,
    kind: 'canceled',
  });
  expect(await cancel()).toEqual({ executionId: first.executionId, kind: 'canceling' });
  const after = await rows(store, world);
  expect(after.executions.map((e) => e.status)).toEqual(['CANCELING', 'CANCELED']);
  expect(after.releases.map((r) => r.status)).toEqual(['PENDING', 'CANCELED']);
  await expect(cancel(second.executionId)).rejects.toMatchObject({ code: 'conflict' });
});

test('a service of another environment cannot be deployed along', async () => {
  const { store } = await testDatabase();
  const [mine, theirs] = [await newWorld(store), await newWorld(store)];
  await expect(enqueue(store, mine, deploy(mine, 1, theirs.serviceIds))).rejects.toThrow(Fault);
});

test('going back by hand is not undone by a repeated push', async () => {
  const { store } = await testDatabase();
  const world = await newWorld(store);
  await enqueue(store, world, deploy(world, 1));
  await enqueue(store, world, deploy(world, 2));
  await enqueue(store, world, { ...deploy(world, 1), origin: 'API', clientOrigin: 'CLI' });
  const [service] = await store.tenant(world.context, ({ db }) =>
    db.select().from(tables.services).where(eq(tables.services.id, world.serviceIds[0]!)),
  );
  expect(service?.lastRequestedSha).toBe(sha(2));
});
