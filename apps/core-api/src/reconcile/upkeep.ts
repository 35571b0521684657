import type { DeliveryId } from '@pilotfish/kernel';
import {
  chainAudit,
  deleteExpiredDeliveries,
  deleteExpiredIdempotencyKeys,
  deleteOldReports,
  dropExpiredPartitions,
  type ExpiredBatch,
  ensurePartitions,
  listUnchained,
} from '@pilotfish/store';
import { systemContext } from '../executions/system-context.ts';
import type { ReconcileDeps, Retention } from './deps.ts';

type UpkeepDeps = Pick<ReconcileDeps, 'store' | 'clock' | 'logger'>;

/** What providers were told is told again for a day at most. */
const commitReportDays = 3;

/** Makes tomorrow's partitions and removes what is older than its retention. */
export async function keepPartitions(
  { store, clock, logger }: UpkeepDeps,
  retention: Retention,
  signal?: AbortSignal,
): Promise<void> {
  const now = clock.now();
  const done = await store.system('worker', async (tx) => ({
    made: await ensurePartitions(tx, now),
    dropped: await dropExpiredPartitions(tx, now, retention),
    idempotencyKeys: await deleteExpiredIdempotencyKeys(tx, now),
    commitReports: await deleteOldReports(tx, now.subtract({ hours: 24 * commitReportDays })),
  }));
  const receivedBefore = now.subtract({ hours: 24 * retention.deliveryDays });
  const deliveries = await deleteDeliveries(store, receivedBefore, signal);
  logUpkeep(logger, { ...done, deliveries });
}

/**
 * In batches until none is left: what comes in a day has to go in a day, and a batch is a short
 * transaction that nobody waits for.
 */
async function deleteDeliveries(
  store: UpkeepDeps['store'],
  receivedBefore: Temporal.Instant,
  signal: AbortSignal | undefined,
): Promise<number> {
  let deleted = 0;
  let after: DeliveryId | null = null;
  do {
    const batch: ExpiredBatch = await store.system('worker', (tx) =>
      deleteExpiredDeliveries(tx, receivedBefore, after),
    );
    deleted += batch.deleted;
    after = batch.last;
  } while (after !== null && !signal?.aborted);
  return deleted;
}

function logUpkeep(logger: UpkeepDeps['logger'], done: Readonly<Record<string, number>>): void {
  if (Object.values(done).some((count) => count > 0)) logger.info(done, 'upkeep of the database');
}

/** Chains audit events by hash, one organization after the other. */
export async function chainAuditEvents({ store }: UpkeepDeps): Promise<void> {
  for (const organizationId of await store.system('worker', listUnchained)) {
    await store.system('worker', async (tx) =>
      chainAudit(await tx.asTenant(systemContext(organizationId, 'audit chainer'))),
    );
  }
}
