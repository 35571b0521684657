import { sql } from 'drizzle-orm';
import { deliveryQueue } from '../schema/deliveries.ts';
import type { SystemTransaction } from '../transactions.ts';

/** How the inbox is doing. */
export interface QueueMeasure {
  /** Of the delivery that is due for the longest time; 0 where none is due. */
  readonly oldestDueSeconds: number;
  /** Up to 100,000: beyond it the exact number says nothing more. */
  readonly pending: number;
  readonly setAside: number;
}

const countedMax = 100_000;

/** Reads the queue only, never the deliveries. */
export async function measureQueue(
  tx: SystemTransaction<'worker'>,
  now: Temporal.Instant,
): Promise<QueueMeasure> {
  const countOf = (isSetAside: boolean) => sql`(select count(*)::int from (
    select 1 from ${deliveryQueue} where is_set_aside = ${isSetAside} limit ${countedMax}) counted)`;
  const [row] = await tx.db.execute<{
    oldest: number | null;
    pending: number;
    set_aside: number;
  }>(sql`
    with recursive earliest as (
      (select organization_id, due_at from ${deliveryQueue} where not is_set_aside
        order by organization_id, due_at limit 1)
      union all
      select next.* from earliest cross join lateral (
        select d.organization_id, d.due_at from ${deliveryQueue} d
        where not d.is_set_aside and d.organization_id > earliest.organization_id
        order by d.organization_id, d.due_at limit 1) next
    )
    select (select extract(epoch from ${now.toString()}::timestamptz - min(due_at))::float
        from earliest) as oldest,
      ${countOf(false)} as pending, ${countOf(true)} as set_aside`);
  return {
    oldestDueSeconds: Math.max(0, row?.oldest ?? 0),
    pending: row?.pending ?? 0,
    setAside: row?.set_aside ?? 0,
  };
}
