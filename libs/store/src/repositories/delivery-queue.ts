import {
  type DeliveryId,
  type ExecutionId,
  type IncomingWebhookId,
  newId,
} from '@pilotfish/kernel';
import { and, asc, eq, sql } from 'drizzle-orm';
import { deliveries, deliveryPayloads, deliveryQueue } from '../schema/deliveries.ts';
import type { SystemTransaction, TenantTransaction } from '../transactions.ts';
import { dayOf } from './partitions.ts';

/** A body by its delivery. */
export interface DeliveryBody {
  readonly id: DeliveryId;
  readonly bytes: number;
  /** Null where it is larger than what was asked for. */
  readonly body: Uint8Array | null;
}

/** What is stored of the bodies; those whose retention is over are missing from the answer. */
export async function readDeliveryBodies(
  tx: SystemTransaction<'worker'> | TenantTransaction,
  wanted: readonly { readonly id: DeliveryId; readonly day: string }[],
  bytesMax: number,
): Promise<readonly DeliveryBody[]> {
  const rows = await tx.db.execute<{ id: DeliveryId; bytes: number; body: Uint8Array | null }>(sql`
    select p.delivery_id as id, octet_length(p.body) as bytes,
      case when octet_length(p.body) <= ${bytesMax} then p.body end as body
    from unnest(${literal(wanted.map(({ id }) => id))}::uuid[],
      ${literal(wanted.map(({ day }) => day))}::date[]) as w (id, day)
    join ${deliveryPayloads} p on p.delivery_id = w.id and p.day = w.day`);
  return rows;
}

/** Locks those of the deliveries that still are to be handled, until the transaction ends. */
export async function lockPendingDeliveries(
  tx: TenantTransaction,
  ids: readonly DeliveryId[],
): Promise<ReadonlySet<DeliveryId>> {
  const rows = await tx.db
    .select({ id: deliveryQueue.deliveryId })
    .from(deliveryQueue)
    .where(
      and(
        eq(deliveryQueue.organizationId, tx.organizationId),
        sql`${deliveryQueue.deliveryId} = any(${literal(ids)}::uuid[])`,
        eq(deliveryQueue.isSetAside, false),
      ),
    )
    .orderBy(asc(deliveryQueue.deliveryId))
    .for('update');
  return new Set(rows.map(({ id }) => id));
}

/** The end of a delivery. */
export interface DeliveryEnd {
  readonly id: DeliveryId;
  readonly state: 'HANDLED' | 'SET_ASIDE';
  /** One sentence that says what became of it. */
  readonly outcome: string;
  /** What it started; nothing unless told. */
  readonly executionIds?: readonly ExecutionId[];
}

/**
 * Ends any number of pending deliveries by one statement. One that is not pending any more keeps
 * the end it has.
 *
 * @returns which were ended
 */
export async function finishDeliveries(
  tx: SystemTransaction<'worker'> | TenantTransaction,
  now: Temporal.Instant,
  ends: readonly DeliveryEnd[],
): Promise<ReadonlySet<DeliveryId>> {
  if (ends.length === 0) return new Set();
  const rows = await tx.db.execute<{ id: DeliveryId }>(sql`
    with e as (
      select * from unnest(${literal(ends.map(({ id }) => id))}::uuid[],
        ${literal(ends.map(({ state }) => state))}::text[],
        ${sql.param(ends.map(({ outcome }) => outcome))}::text[],
        ${sql.param(ends.map(({ executionIds = [] }) => literal(executionIds)))}::text[])
        as e (id, state, outcome, execution_ids)
    ), handled as (
      delete from ${deliveryQueue} q using e
      where q.delivery_id = e.id and e.state = 'HANDLED' and not q.is_set_aside
      returning q.delivery_id as id, q.attempts
    ), set_aside as (
      update ${deliveryQueue} q set is_set_aside = true from e
      where q.delivery_id = e.id and e.state = 'SET_ASIDE' and not q.is_set_aside
      returning q.delivery_id as id, q.attempts
    ), ended as (select * from handled union all select * from set_aside)
    update ${deliveries} d set state = e.state, outcome = e.outcome, handled_at = ${now.toString()},
      execution_ids = e.execution_ids::uuid[], attempts = ended.attempts
    from e join ended using (id)
    where d.id = e.id and d.state = 'PENDING'
    returning d.id`);
  return new Set(rows.map(({ id }) => id));
}

/**
 * They could not be handled just now; `outcome` says why, for whoever looks meanwhile. All at the
 * same instant, so that one question to Git answers them all then, too.
 */
export async function postponeDeliveries(
  tx: SystemTransaction<'worker'>,
  ids: readonly DeliveryId[],
  nextAttemptAt: Temporal.Instant,
  outcome: string,
): Promise<void> {
  if (ids.length === 0) return;
  const at = nextAttemptAt.toString();
  await tx.db.execute(sql`
    with q as (
      update ${deliveryQueue} set due_at = ${at}, is_leased = false
      where delivery_id = any(${literal(ids)}::uuid[]) and not is_set_aside
      returning delivery_id, attempts
    )
    update ${deliveries} d set next_attempt_at = ${at}, outcome = ${outcome}, attempts = q.attempts
    from q where d.id = q.delivery_id and d.state = 'PENDING'`);
}

/**
 * A delivery that nobody sent: made for a push whose webhook never arrived. Once per
 * `providerDeliveryId`, however many replicas notice.
 */
export async function insertHealingDelivery(
  tx: TenantTransaction,
  now: Temporal.Instant,
  healing: {
    readonly incomingWebhookId: IncomingWebhookId;
    readonly providerDeliveryId: string;
    readonly body: unknown;
  },
): Promise<boolean> {
  const id = newId<DeliveryId>();
  const day = dayOf(now);
  const { organizationId } = tx;
  const { incomingWebhookId, providerDeliveryId } = healing;
  const rows = await tx.db
    .insert(deliveries)
    .values({
      id,
      day,
      organizationId,
      incomingWebhookId,
      providerDeliveryId,
      event: 'push',
      cause: 'HEALED',
      receivedAt: now,
      nextAttemptAt: now,
    })
    // By name: a clash of row ids is no sign that somebody else made it.
    .onConflictDoNothing({
      target: [deliveries.incomingWebhookId, deliveries.providerDeliveryId],
    })
    .returning({ id: deliveries.id });
  if (rows.length === 0) return false;
  const body = new TextEncoder().encode(JSON.stringify(healing.body));
  await tx.db
    .insert(deliveryPayloads)
    .values({ deliveryId: id, day, organizationId, headers: {}, body });
  return true;
}

/** An array literal of words without a comma, quote or brace: one parameter, however many. */
function literal(words: readonly string[]): string {
  return `{${words.join(',')}}`;
}
