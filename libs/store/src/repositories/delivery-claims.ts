/**
 * The dispatchers' side of the inbox: what is due, taken fairly.
 *
 * A claim goes round the organizations that have something due and takes a share of each, so that
 * one with a million pending deliveries delays nobody else's push. `deliveries_due` is the index
 * behind it: it holds pending deliveries only, and its first column lets one probe find the next
 * organization however many rows the one before has.
 */
import type { DeliveryId, IncomingWebhookId, OrganizationId } from '@pilotfish/kernel';
import { sql } from 'drizzle-orm';
import { deliveries, deliveryQueue, type incomingWebhooks } from '../schema/deliveries.ts';
import type { SystemTransaction } from '../transactions.ts';

/** A delivery that is due, as far as it is known without its body. */
export interface DueDelivery {
  readonly id: DeliveryId;
  readonly organizationId: OrganizationId;
  readonly incomingWebhookId: IncomingWebhookId;
  /** Null where the hook was deleted meanwhile. */
  readonly provider: (typeof incomingWebhooks.$inferSelect)['provider'] | null;
  readonly event: string;
  readonly receivedAt: Temporal.Instant;
  /** Claims so far, without this one. */
  readonly attempts: number;
  /** True where the last claim ended without a word: its dispatcher died, or hangs. */
  readonly isUnanswered: boolean;
  /** False for what is in the queue by mistake: whoever ended it knew of no queue. */
  readonly isPending: boolean;
  readonly trace: string | null;
  /** The day of its payload's partition. */
  readonly day: string;
}

export interface ClaimOptions {
  /** Goes on behind this organization; null: from the first one. */
  readonly after: OrganizationId | null;
  readonly organizationsMax: number;
  /** Deliveries of one organization at most: the longest due first. */
  readonly shareMax: number;
  /** Organizations of which nothing is taken. */
  readonly except: readonly OrganizationId[];
}

export interface Due {
  readonly deliveries: readonly DueDelivery[];
  /** How many organizations had something due. */
  readonly organizations: number;
  /** Where the next claim goes on; null where this one came to the end. */
  readonly last: OrganizationId | null;
}

interface DueRow extends Record<string, unknown> {
  readonly organization: OrganizationId;
  readonly id: DeliveryId | null;
  readonly hook: IncomingWebhookId;
  readonly provider: DueDelivery['provider'];
  readonly event: string;
  readonly received_ms: string;
  readonly attempts: number;
  readonly is_leased: boolean;
  readonly is_pending: boolean | null;
  readonly trace: string | null;
  readonly day: string;
}

/** Locks due deliveries until the transaction ends; those that others hold are left to them. */
export async function lockDueDeliveries(
  tx: SystemTransaction<'worker'>,
  now: Temporal.Instant,
  { after, organizationsMax, shareMax, except }: ClaimOptions,
): Promise<Due> {
  const start = after ?? '00000000-0000-0000-0000-000000000000';
  const rows = await tx.db.execute<DueRow>(sql`
    with recursive earliest as (
      (select organization_id, due_at from ${deliveryQueue}
        where not is_set_aside and organization_id > ${start}
        order by organization_id, due_at limit 1)
      union all
      select next.* from earliest cross join lateral (
        select q.organization_id, q.due_at from ${deliveryQueue} q
        where not q.is_set_aside and q.organization_id > earliest.organization_id
        order by q.organization_id, q.due_at limit 1) next
    ), chosen as (
      select organization_id from earliest
      where due_at <= ${now.toString()} and organization_id <> all(${uuids(except)}::uuid[])
      limit ${organizationsMax}
    )
    select chosen.organization_id as organization, due.delivery_id as id,
      d.incoming_webhook_id as hook, w.provider, d.event, d.state = 'PENDING' as is_pending,
      extract(epoch from d.received_at) * 1000 as received_ms, due.attempts, due.is_leased,
      d.trace, d.day::text as day
    from chosen left join lateral (
      select q.* from ${deliveryQueue} q
      where not q.is_set_aside and q.organization_id = chosen.organization_id
        and q.due_at <= ${now.toString()}
      order by q.due_at limit ${shareMax} for update skip locked
    ) due on true
    left join ${deliveries} d on d.id = due.delivery_id
    left join incoming_webhooks w on w.id = d.incoming_webhook_id`);
  const organizations = [...new Set(rows.map((row) => row.organization))];
  return {
    organizations: organizations.length,
    last: organizations.length < organizationsMax ? null : (organizations.sort().at(-1) ?? null),
    deliveries: rows.flatMap(({ id, ...row }) =>
      id === null
        ? []
        : [
            {
              id,
              organizationId: row.organization,
              incomingWebhookId: row.hook,
              provider: row.provider,
              event: row.event,
              receivedAt: Temporal.Instant.fromEpochMilliseconds(
                Math.round(Number(row.received_ms)),
              ),
              attempts: row.attempts,
              isUnanswered: row.is_leased,
              isPending: row.is_pending === true,
              trace: row.trace,
              day: row.day,
            },
          ],
    ),
  };
}

/**
 * Counts an attempt of each and keeps them from other claims for so long. It is committed before
 * anything of them is read: of one that ends its reader this is all that is known afterwards.
 */
export async function leaseDeliveries(
  tx: SystemTransaction<'worker'>,
  ids: readonly DeliveryId[],
  until: Temporal.Instant,
): Promise<void> {
  if (ids.length === 0) return;
  await tx.db.execute(sql`
    update ${deliveryQueue} set attempts = attempts + 1, is_leased = true,
      due_at = ${until.toString()}
    where delivery_id = any(${uuids(ids)}::uuid[])`);
}

/** More time for what is still in hand. */
export async function extendLeases(
  tx: SystemTransaction<'worker'>,
  ids: readonly DeliveryId[],
  until: Temporal.Instant,
): Promise<void> {
  await tx.db.execute(sql`
    update ${deliveryQueue} set due_at = ${until.toString()}
    where delivery_id = any(${uuids(ids)}::uuid[]) and not is_set_aside`);
}

/** Gives claimed ones back at once, as if they had not been claimed. */
export async function releaseDeliveries(
  tx: SystemTransaction<'worker'>,
  ids: readonly DeliveryId[],
  now: Temporal.Instant,
): Promise<void> {
  await tx.db.execute(sql`
    update ${deliveryQueue} set attempts = greatest(attempts - 1, 0), is_leased = false,
      due_at = ${now.toString()}
    where delivery_id = any(${uuids(ids)}::uuid[]) and not is_set_aside`);
}

/**
 * Lets the transaction's commit return before it is on disk. For what is merely done again when the
 * server dies with it: claims, and the ends of deliveries that started nothing.
 */
export async function commitWithoutWaiting(tx: SystemTransaction<'worker'>): Promise<void> {
  await tx.db.execute(sql`select set_config('synchronous_commit', 'off', true)`);
}

/** An array literal: one parameter, however many ids. */
function uuids(ids: readonly string[]): string {
  return `{${ids.join(',')}}`;
}
