import { randomBytes } from 'node:crypto';
import { messages } from '@pilotfish/contracts';
import { encryptValue, openSealed } from '@pilotfish/crypto';
import { assert, Fault, newId, systemClock, type VariableId } from '@pilotfish/kernel';
import { createLogger } from '@pilotfish/runtime';
import { tables } from '@pilotfish/store';
import { insertHook } from '@pilotfish/testing';
import { expect, test, vi } from 'vitest';
import { enqueueExecution } from '../src/handlers/enqueue-execution.ts';
import { relayOne } from '../src/roles/relay.ts';
import { testControlPlane } from './control-plane.ts';
import { successOf } from './engine.ts';
import { deployWorld, sha } from './world.ts';

type ControlPlane = Awaited<ReturnType<typeof testControlPlane>>;

const deploy = ({ store, world }: ControlPlane, n: number) => deployWorld(store, world, n);

async function statuses({ sql }: ControlPlane): Promise<readonly string[]> {
  const rows = await sql`select status from executions order by generation`;
  return rows.map((row) => row.status as string);
}

test('requests reach the engine one after the other, with secrets that only it can open', async () => {
  const plane = await testControlPlane();
  const { store, world, engine, keys, sql } = plane;
  const { organizationId } = world.context;
  const variableId = newId<VariableId>();
  await store.tenant(world.context, async ({ db }) => {
    const now = systemClock.now();
    const ciphertext = await encryptValue(keys, 's3cret', {
      organizationId,
      row: `variables/${variableId}`,
      version: 1,
    });
    await db.insert(tables.variables).values({
      id: variableId,
      organizationId,
      key: 'TOKEN',
      scope: 'PROJECT',
      projectId: world.projectId,
      isSecret: true,
      currentVersion: 1,
      createdAt: now,
      updatedAt: now,
    });
    await db.insert(tables.variableVersions).values({
      variableId,
      number: 1,
      organizationId,
      ciphertext,
      createdAt: now,
      createdBy: world.context.actor.principalId,
    });
  });
  await plane.startReplica();
  await deploy(plane, 1);
  await deploy(plane, 2);

  const first = await engine.pull();
  assert(first !== null, 'the first task was published');
  first.ack();
  expect(first.body).toMatchObject({ generation: 1, attempt: 1, lease: 1, epoch: 1 });
  const release = first.body.stages[0]?.services[0]?.release;
  expect(release?.source.commitSha).toBe(sha(1));
  const sealed = release?.secrets.TOKEN;
  expect(JSON.stringify(first.body)).not.toContain('s3cret');
  expect(
    sealed &&
      (await openSealed(world.sealing, sealed, {
        executionId: first.body.executionId,
        serviceId: world.serviceIds[0] ?? '',
        field: 'secrets.TOKEN',
      })),
  ).toBe('s3cret');
  expect(await engine.pull(1200)).toBeNull();

  await engine.report(first.body, successOf(first.body));
  const second = await engine.pull();
  second?.ack();
  expect(second?.body).toMatchObject({ generation: 2 });
  expect(await statuses(plane)).toEqual(['SUCCEEDED', 'RELEASED']);
  const [service] = await sql`select s.state, r.commit_sha, r.status from services s
    join releases r on r.id = s.current_release_id`;
  expect(service).toEqual({
    // The newest request is what a service shows.
    state: 'DEPLOYMENT_QUEUED',
    commit_sha: sha(1),
    status: 'ACTIVE',
  });
  if (second) await engine.report(second.body, successOf(second.body));
  await vi.waitFor(async () => expect(await statuses(plane)).toEqual(['SUCCEEDED', 'SUCCEEDED']));
  const [environment] = await sql`select state, applied_generation::int from environments`;
  expect(environment).toEqual({ state: 'DEPLOYED', applied_generation: 2 });
});

test('what the engine reported is confirmed to it once it is committed', async () => {
  const plane = await testControlPlane();
  await plane.startReplica();
  await deploy(plane, 1);
  const confirmed: number[] = [];

  plane.engineBus.subscribe(messages.confirmed, { clusterId: plane.world.clusterId }, (message) =>
    confirmed.push(...message.body.confirmed.map((one) => one.sequence)),
  );
  const task = await plane.engine.pull();
  task?.ack();
  if (!task) throw new Error('no task');
  const events = successOf(task.body);
  await plane.engine.report(task.body, events.slice(0, 2));
  await vi.waitFor(() => expect(confirmed).toContain(2));
  await plane.engine.report(task.body, events.slice(2));
  await vi.waitFor(() => expect(confirmed).toContain(events.length));
});

test('two replicas of everything publish each task once and in order', async () => {
  const plane = await testControlPlane();
  await plane.startReplica();
  await plane.startReplica();
  for (let n = 1; n <= 5; n += 1) await deploy(plane, n);
  const seen: number[] = [];
  for (let n = 1; n <= 5; n += 1) {
    const task = await plane.engine.pull();
    task?.ack();
    if (!task) throw new Error('no task');
    seen.push(task.body.generation);
    await plane.engine.report(task.body, successOf(task.body));
  }
  expect(seen).toEqual([1, 2, 3, 4, 5]);
  expect(await plane.engine.pull(1200)).toBeNull();
});

test('NATS is wiped with a task in it: it is published again', async () => {
  const plane = await testControlPlane();
  await plane.startReplica();
  await deploy(plane, 1);
  await vi.waitFor(async () => {
    const [row] = await plane.sql`select published_at from executions`;
    expect(row?.published_at).not.toBeNull();
  });
  await plane.nats.kill();
  plane.nats.wipe();
  await plane.nats.start();
  const task = await vi.waitFor(
    async () => {
      const pulled = await plane.engine.pull(20_000);
      expect(pulled).not.toBeNull();
      return pulled;
    },
    { timeout: 40_000 },
  );
  task?.ack();
  expect(task?.body).toMatchObject({ generation: 1, attempt: 2 });
});

test('an engine that lost its journal is given its task again, above what is stored', async () => {
  const plane = await testControlPlane();
  await plane.startReplica();
  await deploy(plane, 1);
  const task = await plane.engine.pull();
  task?.ack();
  if (!task) throw new Error('no task');
  await plane.engine.report(task.body, successOf(task.body).slice(0, 3));
  await vi.waitFor(async () => {
    const [row] = await plane.sql`select confirmed_sequence::int as n from executions`;
    expect(row?.n).toBe(3);
  });
  await plane.sql`update executions set published_at = published_at - interval '1 minute'`;
  await plane.engine.hello({ openExecutions: [] });
  const again = await plane.engine.pull();
  again?.ack();
  expect(again?.body).toMatchObject({ attempt: 2, sequenceFloor: 3 });
  // Late reports of the first attempt count for nothing.
  await plane.engine.report(task.body, successOf(task.body));
  if (again) await plane.engine.report(again.body, successOf(again.body));
  await vi.waitFor(async () => expect(await statuses(plane)).toEqual(['SUCCEEDED']));
});

test('a database restored from a backup goes on above what the engine has seen', async () => {
  const plane = await testControlPlane();
  await plane.startReplica();
  const { environmentId } = plane.world;
  const reply = await plane.engine.hello({
    highestEpoch: 7,
    generations: [{ environmentId, generation: 40 }],
  });
  expect(reply).toEqual({ epoch: 8, lease: 1, refusal: '' });
  await deploy(plane, 1);
  const task = await plane.engine.pull();
  task?.ack();
  expect(task?.body).toMatchObject({ epoch: 8, generation: 41 });
  expect((await plane.engine.hello({ highestEpoch: 8 })).epoch).toBe(8);
});

test('a deletion that somebody asked for is confirmed, and not what a restored backup still wanted', async () => {
  const asked = async (origin: 'API' | 'SYSTEM', epochAtRelease: number) => {
    const plane = await testControlPlane();
    const { store, world, sql } = plane;
    await store.tenant(world.context, (tx) =>
      enqueueExecution(tx, systemClock.now(), {
        environmentId: world.environmentId,
        action: 'DELETE',
        services: 'all',
        origin,
        clientOrigin: 'API',
      }),
    );
    await sql`update control_plane set epoch = ${epochAtRelease}`;
    await plane.startReplica();
    const task = await plane.engine.pull();
    task?.ack();
    expect(task?.body).toMatchObject({ action: 'DELETE', epoch: epochAtRelease });
    return task?.body.deletionConfirmed;
  };
  expect(await asked('API', 1)).toBe(true);
  expect(await asked('API', 2)).toBeUndefined();
  expect(await asked('SYSTEM', 1)).toBeUndefined();
});

test('an unknown or replaced engine is refused', async () => {
  const plane = await testControlPlane();
  await plane.startReplica();
  expect((await plane.engine.hello({ engineId: newId() })).refusal).toContain('not known');
  expect((await plane.engine.hello({ protocolOldest: 98, protocolNewest: 99 })).refusal).toContain(
    'protocol',
  );
  await plane.sql`update clusters set lease = 2`;
  expect((await plane.engine.hello()).refusal).toContain('Another engine');
});

test('a relay that was killed after it published has sent the task once', async () => {
  const plane = await testControlPlane();
  const { store, keys } = plane;
  const bus = await plane.nats.bus('core-api');
  await bus.ensureStreams();
  await bus.ensureTaskConsumer(plane.world.clusterId);
  await deploy(plane, 1);
  const relay = (publish: typeof bus.publish) =>
    relayOne({
      store,
      keys,
      clock: { ...systemClock, now: () => systemClock.now().add({ seconds: 60 }) },
      logger: createLogger({ name: 'test', level: 'silent' }),
      random: () => 0,
      sourceAccess: async () => undefined,
      bus: { ...bus, publish },
    });
  await relay(async (...message) => {
    await bus.publish(...message);
    throw new Fault('unavailable', 'killed before the commit');
  });
  await plane.sql`update outbox set next_try_at = now()`;
  expect(await relay(bus.publish)).toBe(true);
  expect(await relay(bus.publish)).toBe(false);
  const task = await plane.engine.pull();
  task?.ack();
  expect(task?.body.generation).toBe(1);
  expect(await plane.engine.pull(1500)).toBeNull();
});

test('what can never be published fails with its reason and makes way for the next', async () => {
  const plane = await testControlPlane();
  await plane.sql`update services set spec = spec || ${plane.sql.json({ command: ['x'.repeat(300_000)] })}`;
  await plane.startReplica();
  await deploy(plane, 1);
  await plane.sql`update services set spec = spec || '{"command": []}'`;
  await deploy(plane, 2);
  const task = await plane.engine.pull();
  task?.ack();
  expect(task?.body.generation).toBe(2);
  const [row] = await plane.sql`select status, explanation from executions where generation = 1`;
  expect(row).toEqual({
    status: 'FAILED',
    explanation: expect.stringContaining('could not be handed to the cluster'),
  });
});

test('a replica takes back rotations of a secret that ended half-way', async () => {
  const { sql, startReplica } = await testControlPlane();
  const { id } = await insertHook(sql, randomBytes(32), 'GENERIC');
  await sql`update incoming_webhooks set next_secret_ciphertext = secret_ciphertext,
    updated_at = now() - interval '2 minutes' where id = ${id}`;
  await startReplica();
  const left = () => sql`select id from incoming_webhooks where next_secret_ciphertext is not null`;
  await vi.waitFor(async () => expect(await left()).toHaveLength(0));
});
