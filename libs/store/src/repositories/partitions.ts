import { sql } from 'drizzle-orm';
import type { SystemTransaction } from '../transactions.ts';

/** Days ahead for which partitions exist: how long the reconciler may be away unnoticed. */
const partitionDaysAhead = 7;

/** The day whose partition an instant belongs to, in UTC. */
export function dayOf(at: Temporal.Instant): Temporal.PlainDate {
  return at.toZonedDateTimeISO('UTC').toPlainDate();
}

/** Makes the missing day partitions from yesterday on; answers how many. */
export async function ensurePartitions(
  tx: SystemTransaction<'worker' | 'webhook_gateway'>,
  now: Temporal.Instant,
): Promise<number> {
  const today = dayOf(now);
  const [row] = await tx.db.execute<{ made: number }>(
    sql`select pilotfish_ensure_partitions(${today.subtract({ days: 1 }).toString()}::date, ${today.add({ days: partitionDaysAhead }).toString()}::date) as made`,
  );
  return row?.made ?? 0;
}

/** Drops day partitions that lie wholly before the retention; answers how many. */
export async function dropExpiredPartitions(
  tx: SystemTransaction<'worker'>,
  now: Temporal.Instant,
  retention: { readonly eventDays: number; readonly payloadDays: number },
): Promise<number> {
  const kept = (days: number) => dayOf(now).subtract({ days }).toString();
  const [row] = await tx.db.execute<{ dropped: number }>(
    sql`select pilotfish_drop_partitions('execution_events', ${kept(retention.eventDays)}::date)
      + pilotfish_drop_partitions('delivery_payloads', ${kept(retention.payloadDays)}::date) as dropped`,
  );
  return row?.dropped ?? 0;
}
