import { limits } from '@pilotfish/kernel';
import {
  chainAudit,
  deleteExpiredDeliveries,
  deleteExpiredIdempotencyKeys,
  deleteOldReports,
  dropExpiredPartitions,
  ensurePartitions,
  listUnchained,
} from '@pilotfish/store';
import { systemContext } from '../executions/system-context.ts';
import type { ReconcileDeps } from './deps.ts';

type UpkeepDeps = Pick<ReconcileDeps, 'store' | 'clock' | 'logger'>;

export interface Retention {
  readonly eventDays: number;
  /** Bodies of deliveries. */
  readonly payloadDays: number;
  /** Deliveries themselves: how long a repeat is recognised. */
  readonly deliveryDays: number;
}

export const defaultRetention: Retention = {
  eventDays: limits.eventRetentionDays,
  payloadDays: 7,
  deliveryDays: 30,
};

/** What providers were told is told again for a day at most. */
const commitReportDays = 3;

/** Makes tomorrow's partitions and removes what is older than its retention. */
export async function keepPartitions(
  { store, clock, logger }: UpkeepDeps,
  retention: Retention,
): Promise<void> {
  const now = clock.now();
  const done = await store.system('worker', async (tx) => ({
    made: await ensurePartitions(tx, now),
    dropped: await dropExpiredPartitions(tx, now, retention),
    deliveries: await deleteExpiredDeliveries(
      tx,
      now.subtract({ hours: 24 * retention.deliveryDays }),
    ),
    idempotencyKeys: await deleteExpiredIdempotencyKeys(tx, now),
    commitReports: await deleteOldReports(tx, now.subtract({ hours: 24 * commitReportDays })),
  }));
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
