import { and, inArray, lt, ne } from 'drizzle-orm';
import { deliveries } from '../schema/deliveries.ts';
import type { SystemTransaction } from '../transactions.ts';

/** Deletes finished deliveries that were received before; answers how many. At most 5,000 at once. */
export async function deleteExpiredDeliveries(
  tx: SystemTransaction<'worker'>,
  receivedBefore: Temporal.Instant,
): Promise<number> {
  const expired = tx.db
    .select({ id: deliveries.id })
    .from(deliveries)
    .where(and(lt(deliveries.receivedAt, receivedBefore), ne(deliveries.state, 'PENDING')))
    .limit(5000);
  const rows = await tx.db
    .delete(deliveries)
    .where(inArray(deliveries.id, expired))
    .returning({ id: deliveries.id });
  return rows.length;
}
