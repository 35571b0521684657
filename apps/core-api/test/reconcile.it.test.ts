import type { ControlReply } from '@pilotfish/contracts';
import { Fault, type ServiceId, systemClock } from '@pilotfish/kernel';
import { createLogger } from '@pilotfish/runtime';
import {
  appendAudit,
  ensurePartitions,
  lockBranchHead,
  saveHandledHead,
  verifyAuditChain,
} from '@pilotfish/store';
import { testDatabase } from '@pilotfish/testing';
import { expect, test } from 'vitest';
import { cancelExecution } from '../src/handlers/cancel-execution.ts';
import { enqueueExecution } from '../src/handlers/enqueue-execution.ts';
import { deployMissedPushes } from '../src/reconcile/deploy-missed-pushes.ts';
import type { ReconcileDeps } from '../src/reconcile/deps.ts';
import { moveStuckQueues, reissueUnreported } from '../src/reconcile/mend-executions.ts';
import { repeatCancels } from '../src/reconcile/repeat-cancels.ts';
import { chainAuditEvents, keepPartitions } from '../src/reconcile/upkeep.ts';
import { deployWorld, newWorld, sha } from './world.ts';

interface Around {
  /** Environments whose task is still in the stream. */
  readonly waiting: Set<string>;
  /** What the engine answers; null: it is not there. */
  control: ControlReply | null;
}

async function newReconciler(options: { services?: number } = {}) {
  const database = await testDatabase();
  const { store } = database;
  const world = await newWorld(store, options);
  const around: Around = { waiting: new Set(), control: null };
  const deps = {
    store,
    clock: systemClock,
    logger: createLogger({ name: 'test', level: 'silent' }),
    bus: {
      ring: () => {},
      waitingTasks: async () => around.waiting,
      request: async () => {
        if (around.control === null) throw new Fault('unavailable', 'no engine');
        return around.control;
      },
    } as unknown as ReconcileDeps['bus'],
  };
  return { ...database, world, around, deps };
}

test('what was pushed during a deletion that was canceled is deployed, once', async () => {
  const { store, sql, world, deps } = await newReconciler();
  const { environmentId, serviceIds } = world;
  await deployWorld(store, world, 1);
  const [serviceId] = serviceIds as [ServiceId];
  const deletion = { environmentId, services: [{ serviceId }], action: 'DELETE' } as const;
  const outcome = await store.tenant(world.context, (tx) =>
    enqueueExecution(tx, systemClock.now(), { ...deletion, origin: 'API', clientOrigin: 'API' }),
  );
  if (outcome.kind === 'refused') throw new Error(outcome.reason);
  const [service] = await sql`select repository_key as key, branch from services`;
  const [repositoryKey, branch] = [String(service?.key), String(service?.branch)];
  await store.tenant(world.context, async (tx) => {
    await lockBranchHead(tx, systemClock.now(), repositoryKey, branch);
    await saveHandledHead(tx, systemClock.now(), { repositoryKey, branch, sha: sha(9) });
  });
  const requested = async () => {
    const rows = await sql`select commit_sha as sha from execution_services where action = 'DEPLOY'
      order by execution_id`;
    return rows.map((row) => row.sha);
  };
  await deployMissedPushes(deps);
  expect(await requested()).toEqual([sha(1)]);
  await store.tenant(world.context, (tx) =>
    cancelExecution(tx, systemClock.now(), { ...outcome, environmentId, force: false }),
  );
  await Promise.all([deployMissedPushes(deps), deployMissedPushes(deps)]);
  expect(await requested()).toEqual([sha(1), sha(9)]);
});

test('an execution is issued again only when nobody reports it and the stream does not hold it', async () => {
  const { store, sql, world, around, deps } = await newReconciler();
  const { executionId } = await deployWorld(store, world, 1);
  const attempt = async () => {
    const [row] = await sql`select attempt from executions where id = ${executionId}`;
    return row?.attempt as number;
  };
  await sql`delete from outbox`;
  await sql`update executions set published_at = now()`;
  await reissueUnreported(deps);
  expect(await attempt()).toBe(1);
  await sql`update executions set published_at = now() - interval '1 minute'`;
  around.waiting.add(world.environmentId);
  await reissueUnreported(deps);
  expect(await attempt()).toBe(1);
  around.waiting.clear();
  await Promise.all([reissueUnreported(deps), reissueUnreported(deps)]);
  expect(await attempt()).toBe(2);
  expect(await sql`select 1 from outbox`).toHaveLength(1);
});

test('what nobody reports of an environment that is deleted already is issued again, too', async () => {
  const { store, sql, world, deps } = await newReconciler();
  await deployWorld(store, world, 1);
  await sql`delete from outbox`;
  await sql`update executions set published_at = now() - interval '1 minute'`;
  await sql`update environments set deleted_at = now()`;
  await reissueUnreported(deps);
  expect(await sql`select attempt from executions`).toEqual([{ attempt: 2 }]);
});

test('what an engine that lost its lease was given is issued to the next one', async () => {
  const { store, sql, world, deps } = await newReconciler();
  await deployWorld(store, world, 1);
  await sql`delete from outbox`;
  await sql`update executions set status = 'ONGOING', published_at = now(), reported_at = now()`;
  await reissueUnreported(deps);
  expect(await sql`select attempt from executions`).toEqual([{ attempt: 1 }]);
  await sql`update clusters set lease = lease + 1`;
  await reissueUnreported(deps);
  expect(await sql`select attempt from executions`).toEqual([{ attempt: 2 }]);
});

test('a queue whose head was never released moves on', async () => {
  const { store, sql, world, deps } = await newReconciler();
  await deployWorld(store, world, 1);
  await deployWorld(store, world, 2);
  await sql`delete from outbox`;
  await sql`update executions set status = 'FAILED' where generation = 1`;
  await moveStuckQueues(deps);
  expect(await sql`select status from executions order by generation`).toEqual([
    { status: 'FAILED' },
    { status: 'RELEASED' },
  ]);
  expect(await sql`select generation::int from outbox`).toEqual([{ generation: 2 }]);
  await sql`delete from outbox`;
  await moveStuckQueues(deps);
  expect(await sql`select generation::int from outbox`).toEqual([{ generation: 2 }]);
});

test('a cancel is repeated until the engine has it, and ends what no engine will ever start', async () => {
  const { store, sql, world, around, deps } = await newReconciler();
  await deployWorld(store, world, 1);
  await deployWorld(store, world, 2);
  await store.tenant(world.context, (tx) =>
    cancelExecution(tx, systemClock.now(), { environmentId: world.environmentId, force: false }),
  );
  await sql`delete from outbox`;
  await sql`update executions set published_at = now() - interval '1 minute' where generation = 1`;
  const statuses = async () =>
    (await sql`select status from executions order by generation`).map((row) => row.status);
  // Nobody answers: that proves nothing.
  await repeatCancels(deps);
  expect(await statuses()).toEqual(['CANCELING', 'QUEUED']);
  around.control = { kind: 'canceling', known: true };
  await repeatCancels(deps);
  expect(await statuses()).toEqual(['CANCELING', 'QUEUED']);
  around.control = { kind: 'canceling', known: false };
  around.waiting.add(world.environmentId);
  await repeatCancels(deps);
  expect(await statuses()).toEqual(['CANCELING', 'QUEUED']);
  around.waiting.clear();
  await repeatCancels(deps);
  expect(await statuses()).toEqual(['CANCELED', 'RELEASED']);
  expect(await sql`select explanation from executions where generation = 1`).toEqual([
    { explanation: 'Canceled by Ada.' },
  ]);
});

test('audit events are chained by several chainers without a gap, and a change is noticed', async () => {
  const { store, sql, world, deps } = await newReconciler();
  await Promise.all(
    Array.from({ length: 20 }, (_, n) =>
      store.tenant(world.context, (tx) =>
        appendAudit(tx, systemClock.now(), {
          action: 'thing.done',
          targetKind: 'thing',
          targetId: `${n}`,
          detail: { z: 1, a: { y: [n], b: null } },
        }),
      ),
    ),
  );
  await Promise.all([chainAuditEvents(deps), chainAuditEvents(deps), chainAuditEvents(deps)]);
  await chainAuditEvents(deps);
  const positions = await sql`select position::int from audit_events order by position`;
  expect(positions.map((row) => row.position)).toEqual(Array.from({ length: 20 }, (_, n) => n + 1));
  const verify = () => store.tenant(world.context, verifyAuditChain);
  expect(await verify()).toBeNull();
  await sql`update audit_events set detail = '{"z": 2}' where position = 7`;
  expect(await verify()).toBe(7);
  await sql`delete from audit_events where position >= 7`;
  expect(await verify()).toBe(7);
});

test('partitions exist before their day, and go when their retention is over', async () => {
  const { store, sql, deps } = await newReconciler();
  const old = systemClock.now().subtract({ hours: 24 * 100 });
  await store.system('worker', (tx) => ensurePartitions(tx, old));
  const partitions = async (parent: string) => {
    const rows = await sql`select count(*)::int as n from pg_inherits
      where inhparent = ${parent}::regclass`;
    return rows[0]?.n as number;
  };
  expect(await partitions('execution_events')).toBe(9);
  const retention = { eventDays: 90, payloadDays: 30, deliveryDays: 90 };
  await keepPartitions(deps, retention);
  expect(await partitions('execution_events')).toBe(9);
  await keepPartitions(deps, { ...retention, eventDays: 3650 });
  expect(await partitions('delivery_payloads')).toBe(9);
});
