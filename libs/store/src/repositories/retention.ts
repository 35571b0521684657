import { type DeliveryId, firstIdAt } from '@pilotfish/kernel';
import { sql } from 'drizzle-orm';
import { deliveries, deliveryQueue } from '../schema/deliveries.ts';
import type { SystemTransaction } from '../transactions.ts';

const batchMax = 5000;

export interface ExpiredBatch {
  readonly deleted: number;
  /** The batch after this one is to go on behind it; null where nothing is left. */
  readonly last: DeliveryId | null;
}

/**
 * Deletes a batch of ended deliveries that were received before, the oldest first; one that was set
 * aside is ended. By their ids, which grow with time: no index knows when they were received.
 */
export async function deleteExpiredDeliveries(
  tx: SystemTransaction<'worker'>,
  receivedBefore: Temporal.Instant,
  after: DeliveryId | null,
): Promise<ExpiredBatch> {
  const [row] = await tx.db.execute<{ deleted: number; seen: number; last: DeliveryId | null }>(sql`
    with seen as materialized (
      select id, state from ${deliveries}
      where id < ${firstIdAt(receivedBefore)} and id > ${after ?? firstIdAt(Temporal.Instant.fromEpochMilliseconds(0))}
      order by id limit ${batchMax}
    ), expired as (select id from seen where state <> 'PENDING'),
    queued as (delete from ${deliveryQueue} q using expired where q.delivery_id = expired.id),
    gone as (delete from ${deliveries} d using expired where d.id = expired.id returning 1)
    select (select count(*)::int from gone) as deleted, (select count(*)::int from seen) as seen,
      (select id from seen order by id desc limit 1) as last`);
  const isLast = row === undefined || row.seen < batchMax;
  return { deleted: row?.deleted ?? 0, last: isLast ? null : row.last };
}
