import type { ExecutionEvent } from '@pilotfish/contracts';
import type { QueuePolicy } from '@pilotfish/domain-deploy';
import { type ServiceId, systemClock } from '@pilotfish/kernel';
import { createLogger } from '@pilotfish/runtime';
import {
  type ExecutionRow,
  ensurePartitions,
  handedOutStatuses,
  listExecutionServices,
  type Store,
  tables,
} from '@pilotfish/store';
import { testDatabase } from '@pilotfish/testing';
import { inArray } from 'drizzle-orm';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { enqueueExecution } from '../src/handlers/enqueue-execution.ts';
import { ingestBatches } from '../src/ingest/ingest-batches.ts';
import { batchOf } from './engine.ts';
import { newWorld, sha, type World } from './world.ts';

const logger = createLogger({ name: 'test', level: 'silent' });
const at = '2026-11-20T12:00:00.000Z';

async function handedOut(store: Store, world: World): Promise<ExecutionRow | undefined> {
  const rows = await store.tenant(world.context, ({ db }) =>
    db
      .select()
      .from(tables.executions)
      .where(inArray(tables.executions.status, [...handedOutStatuses])),
  );
  expect(rows.length).toBeLessThanOrEqual(1);
  return rows[0];
}

/** The engine ends what it has: as asked, or canceled before anything was done. */
async function finish(store: Store, world: World): Promise<boolean> {
  const execution = await handedOut(store, world);
  if (execution === undefined) return false;
  const { id: executionId } = execution;
  const parts = await store.tenant(world.context, (tx) => listExecutionServices(tx, [executionId]));
  const isCanceled = execution.status === 'CANCELING';
  const progress = isCanceled ? ('CANCELED' as const) : ('DEPLOYED' as const);
  const events = parts.map(
    ({ serviceId, stageId }, index): ExecutionEvent => ({
      kind: 'service_progressed',
      sequence: index + 1,
      at,
      stageId,
      serviceId,
      progress,
    }),
  );
  events.push({
    kind: 'execution_ended',
    sequence: events.length + 1,
    at,
    outcome: isCanceled ? 'CANCELED' : 'SUCCEEDED',
    summary: '',
    isolation: 'T0',
  });
  const batch = batchOf({ ...execution, epoch: 1, executionId }, events);
  const now = systemClock.now();
  await ingestBatches({ store, logger }, now, world.clusterId, executionId, [batch]);
  return true;
}

type Step = { readonly push: readonly number[] } | { readonly finish: true };

const steps = fc.array(
  fc.oneof<fc.Arbitrary<Step>[]>(
    fc.record({ push: fc.subarray([0, 1, 2], { minLength: 1 }) }),
    fc.constant({ finish: true as const }),
  ),
  { maxLength: 12 },
);

test('under every policy that takes pushes, each service ends at the last one for it', async () => {
  const { store } = await testDatabase();
  await store.system('worker', (tx) => ensurePartitions(tx, systemClock.now()));
  const policies = fc.constantFrom<QueuePolicy[]>('queue', 'latest', 'replace');
  await fc.assert(
    fc.asyncProperty(policies, steps, async (queuePolicy, story) => {
      const world = await newWorld(store, { services: 3, queuePolicy });
      const wanted = new Map<ServiceId, string>();
      let pushes = 0;
      for (const step of story) {
        if ('finish' in step) {
          await finish(store, world);
          continue;
        }
        pushes += 1;
        const services = step.push.map((n) => world.serviceIds[n] as ServiceId);
        for (const serviceId of services) wanted.set(serviceId, sha(pushes));
        await store.tenant(world.context, (tx) =>
          enqueueExecution(tx, systemClock.now(), {
            environmentId: world.environmentId,
            action: 'DEPLOY',
            services: services.map((serviceId) => ({ serviceId, commitSha: sha(pushes) })),
            origin: 'GIT',
            clientOrigin: 'GIT',
          }),
        );
      }
      while (await finish(store, world));
      const { executions, services, releases, environment } = await store.tenant(
        world.context,
        async ({ db }) => ({
          executions: await db.select().from(tables.executions),
          services: await db.select().from(tables.services),
          releases: await db.select().from(tables.releases),
          environment: (await db.select().from(tables.environments))[0],
        }),
      );
      const served = services.flatMap(({ id, currentReleaseId }) => {
        const release = releases.find((one) => one.id === currentReleaseId);
        return release === undefined ? [] : [[id, release.commitSha] as const];
      });
      expect(new Map(served)).toEqual(wanted);
      expect(executions.every(({ endedAt }) => endedAt !== null)).toBe(true);
      expect(releases.filter(({ status }) => status === 'PENDING')).toEqual([]);
      expect(environment?.generation).toBe(pushes);
      if (pushes > 0)
        expect(environment).toMatchObject({ state: 'DEPLOYED', appliedGeneration: pushes });
    }),
    { numRuns: 30 },
  );
});
