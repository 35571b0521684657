import { type DeliveryId, firstIdAt, type IncomingWebhookId } from '@pilotfish/kernel';
import { and, desc, eq, gte, inArray, lt, type SQL, sql } from 'drizzle-orm';
import { deliveries, deliveryQueue, incomingWebhooks } from '../schema/deliveries.ts';
import type { TenantTransaction } from '../transactions.ts';
import type { DeliveryRow } from './delivery-history.ts';

/** What narrows a list down; all of it together. */
export interface DeliveryFilter {
  readonly incomingWebhookId?: IncomingWebhookId | undefined;
  readonly state?: DeliveryRow['state'] | undefined;
  readonly event?: string | undefined;
  readonly cause?: DeliveryRow['cause'] | undefined;
  /** A part of it, in upper or lower case. */
  readonly outcome?: string | undefined;
  readonly receivedFrom?: Temporal.Instant | undefined;
  /** Not included itself. */
  readonly receivedTo?: Temporal.Instant | undefined;
}

export interface DeliveryPage {
  /** Newest first. */
  readonly rows: readonly DeliveryRow[];
  /** Of what is older; null where nothing is. */
  readonly next: DeliveryId | null;
}

/** Deliveries of each webhook that one page looks at, whether they match or not. */
const lookedAtMax = 500;

/**
 * One page. What it costs has a limit, whatever the filter and however many deliveries there are: it
 * looks at the newest of each webhook, by the index that has them in order, and where the filter
 * left little of them the page is short and leads on.
 */
export async function listDeliveries(
  tx: TenantTransaction,
  filter: DeliveryFilter,
  { before, limit }: { readonly before: DeliveryId | null; readonly limit: number },
): Promise<DeliveryPage> {
  const windows =
    filter.state === 'SET_ASIDE'
      ? [await lookAtSetAside(tx, filter, before)]
      : await lookAtWebhooks(tx, filter, before);
  // Below the shortest of the full windows something of its webhook may be missing.
  const ends = windows.filter((ids) => ids.length >= lookedAtMax).map((ids) => ids.at(-1) ?? '');
  const horizon = ends.sort().at(-1) as DeliveryId | undefined;
  const ids = windows.flat().filter((id) => horizon === undefined || id >= horizon);
  if (ids.length === 0) return { rows: [], next: null };
  const rows = await tx.db
    .select()
    .from(deliveries)
    .where(
      and(
        eq(deliveries.organizationId, tx.organizationId),
        inArray(deliveries.id, ids),
        ...conditions(filter),
      ),
    )
    .orderBy(desc(deliveries.id))
    .limit(limit);
  const last = rows.length === limit ? rows.at(-1)?.id : horizon;
  return { rows, next: last ?? null };
}

function range({ receivedFrom, receivedTo }: DeliveryFilter, before: DeliveryId | null) {
  const bounds = [before, receivedTo && firstIdAt<DeliveryId>(receivedTo)];
  const [to] = bounds.filter((id) => id !== null && id !== undefined).sort();
  return { from: receivedFrom && firstIdAt<DeliveryId>(receivedFrom), to };
}

async function lookAtWebhooks(
  tx: TenantTransaction,
  filter: DeliveryFilter,
  before: DeliveryId | null,
): Promise<DeliveryId[][]> {
  const { from, to } = range(filter, before);
  const hook = filter.incomingWebhookId;
  const rows = await tx.db.execute<{ ids: DeliveryId[] }>(sql`
    select array(
      select d.id from ${deliveries} d
      where d.incoming_webhook_id = w.id and d.organization_id = ${tx.organizationId}
        ${to === undefined ? sql`` : sql`and d.id < ${to}`}
        ${from === undefined ? sql`` : sql`and d.id >= ${from}`}
      order by d.id desc limit ${lookedAtMax}) as ids
    from ${incomingWebhooks} w
    where w.organization_id = ${tx.organizationId}
      ${hook === undefined ? sql`` : sql`and w.id = ${hook}`}`);
  return rows.map(({ ids }) => ids);
}

/** They are few, and known by themselves: nobody has to look for them among the others. */
async function lookAtSetAside(
  tx: TenantTransaction,
  filter: DeliveryFilter,
  before: DeliveryId | null,
): Promise<DeliveryId[]> {
  const { from, to } = range(filter, before);
  const rows = await tx.db
    .select({ id: deliveryQueue.deliveryId })
    .from(deliveryQueue)
    .where(
      and(
        eq(deliveryQueue.organizationId, tx.organizationId),
        sql`${deliveryQueue.isSetAside}`,
        to === undefined ? undefined : lt(deliveryQueue.deliveryId, to),
        from === undefined ? undefined : gte(deliveryQueue.deliveryId, from),
      ),
    )
    .orderBy(desc(deliveryQueue.deliveryId))
    .limit(lookedAtMax);
  return rows.map(({ id }) => id);
}

function conditions(filter: DeliveryFilter): (SQL | undefined)[] {
  const { state, event, cause, outcome, incomingWebhookId } = filter;
  return [
    incomingWebhookId && eq(deliveries.incomingWebhookId, incomingWebhookId),
    state && eq(deliveries.state, state),
    event === undefined ? undefined : eq(deliveries.event, event),
    cause && eq(deliveries.cause, cause),
    outcome === undefined
      ? undefined
      : sql`position(lower(${outcome}) in lower(${deliveries.outcome})) > 0`,
  ];
}

/** Those of the tenant's, oldest first; ids of nobody, or of somebody else, are left out. */
export async function findDeliveries(
  tx: TenantTransaction,
  ids: readonly DeliveryId[],
): Promise<readonly DeliveryRow[]> {
  if (ids.length === 0) return [];
  return await tx.db
    .select()
    .from(deliveries)
    .where(and(eq(deliveries.organizationId, tx.organizationId), inArray(deliveries.id, [...ids])))
    .orderBy(deliveries.id);
}
