import { type DeliveryId, firstIdAt, type IncomingWebhookId } from '@pilotfish/kernel';
import { and, eq, inArray, type SQL, sql } from 'drizzle-orm';
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

/** Deliveries that one page looks at, whether they match or not; of all webhooks together. */
const lookedAtMax = 10_000;

/** Pending ones of a tenant up to which they are listed from the queue. */
const pendingMax = 2000;

/**
 * One page. What it costs has a limit, whatever the filter and however many deliveries there are: it
 * looks at the newest `lookedAtMax` candidates, in order, until it has enough; where few
 * of them match, the page is short and leads on. What is rare by its nature (set aside, pending,
 * healed, replayed) has an index of its own, so nobody has to look for it among the others.
 */
export async function listDeliveries(
  tx: TenantTransaction,
  filter: DeliveryFilter,
  { before, limit }: { readonly before: DeliveryId | null; readonly limit: number },
): Promise<DeliveryPage> {
  const sources = await candidatesOf(tx, filter, range(filter, before));
  if (sources.length === 0) return { rows: [], next: null };
  const candidates = (columns: SQL) => sql`
    select * from (${sql.join(
      sources.map((source) => armOf(columns, source)),
      sql` union all `,
    )}) candidate order by id desc`;
  const looked = candidates(sql`d.id, (${matching(filter)}) as matches`);
  const found = await tx.db.execute<{ id: DeliveryId }>(sql`
    select id from (${looked} limit ${lookedAtMax}) looked
    where matches order by id desc limit ${limit}`);
  const rows = (await findDeliveries(
    tx,
    found.map(({ id }) => id),
  )) as DeliveryRow[];
  rows.reverse();
  if (found.length === limit) return { rows, next: found.at(-1)?.id ?? null };
  const [last] = await tx.db.execute<{ id: DeliveryId }>(sql`
    ${candidates(sql`d.id`)} offset ${lookedAtMax - 1} limit 1`);
  return { rows, next: last?.id ?? null };
}

type Range = ReturnType<typeof range>;

function range({ receivedFrom, receivedTo }: DeliveryFilter, before: DeliveryId | null) {
  const bounds = [before, receivedTo && firstIdAt<DeliveryId>(receivedTo)];
  const [to] = bounds.filter((id) => id !== null && id !== undefined).sort();
  return { from: receivedFrom && firstIdAt<DeliveryId>(receivedFrom), to };
}

/** Each is read in the order of an index, and the arms are merged as far as they are needed. */
function armOf(columns: SQL, source: SQL): SQL {
  return sql`(select ${columns} from ${source} order by d.id desc limit ${lookedAtMax})`;
}

/** What follows `from`, of each set of deliveries that together hold all that may match. */
async function candidatesOf(
  tx: TenantTransaction,
  filter: DeliveryFilter,
  { from, to }: Range,
): Promise<readonly SQL[]> {
  const within = sql`d.organization_id = ${tx.organizationId}
    ${to === undefined ? sql`` : sql`and d.id < ${to}`}
    ${from === undefined ? sql`` : sql`and d.id >= ${from}`}`;
  if (filter.state === 'SET_ASIDE') {
    return [
      sql`${deliveries} d join ${deliveryQueue} q on q.delivery_id = d.id
        where q.is_set_aside and q.organization_id = ${tx.organizationId} and ${within}`,
    ];
  }
  if (filter.state === 'PENDING') {
    const pending = await findPending(tx);
    if (pending !== null) return [sql`${deliveries} d where d.id = any(${pending}) and ${within}`];
  }
  if (filter.cause !== undefined && filter.cause !== 'RECEIVED') {
    // The second condition is that of the index.
    return [
      sql`${deliveries} d where d.cause = ${filter.cause} and d.cause <> 'RECEIVED' and ${within}`,
    ];
  }
  const hooks = await tx.db.execute<{ id: IncomingWebhookId }>(sql`
    select w.id from ${incomingWebhooks} w
    where w.organization_id = ${tx.organizationId}
      ${filter.incomingWebhookId === undefined ? sql`` : sql`and w.id = ${filter.incomingWebhookId}`}
      and exists (select from ${deliveries} d where d.incoming_webhook_id = w.id and ${within})`);
  return hooks.map(
    ({ id }) => sql`${deliveries} d where d.incoming_webhook_id = ${id} and ${within}`,
  );
}

/** Array literal of all of the tenant's; null where there are so many that they are not rare. */
async function findPending(tx: TenantTransaction): Promise<SQL | null> {
  const rows = await tx.db
    .select({ id: deliveryQueue.deliveryId })
    .from(deliveryQueue)
    .where(
      and(
        eq(deliveryQueue.organizationId, tx.organizationId),
        sql`not ${deliveryQueue.isSetAside}`,
      ),
    )
    .limit(pendingMax + 1);
  if (rows.length > pendingMax) return null;
  return sql`${`{${rows.map(({ id }) => id).join(',')}}`}::uuid[]`;
}

function matching({ state, event, cause, outcome, incomingWebhookId }: DeliveryFilter): SQL {
  const conditions = [
    incomingWebhookId && sql`d.incoming_webhook_id = ${incomingWebhookId}`,
    state && sql`d.state = ${state}`,
    event === undefined ? undefined : sql`d.event = ${event}`,
    cause && sql`d.cause = ${cause}`,
    outcome === undefined ? undefined : sql`position(lower(${outcome}) in lower(d.outcome)) > 0`,
  ];
  return and(...conditions) ?? sql`true`;
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
