import { type DeliveryId, type ExecutionId, Fault, newId } from '@pilotfish/kernel';
import { and, eq, inArray, isNotNull, sql } from 'drizzle-orm';
import { deliveries, deliveryPayloads, deliveryQueue } from '../schema/deliveries.ts';
import { environments, services } from '../schema/environments.ts';
import { executionServices, executions } from '../schema/executions.ts';
import type { TenantTransaction } from '../transactions.ts';
import type { EnvironmentRow, ServiceRow } from './environments.ts';
import type { ExecutionRow } from './executions.ts';
import { dayOf } from './partitions.ts';

export type DeliveryRow = typeof deliveries.$inferSelect;

/** @throws Fault `not_found` where it is not the tenant's */
export async function getDelivery(tx: TenantTransaction, id: DeliveryId): Promise<DeliveryRow> {
  const [row] = await tx.db
    .select()
    .from(deliveries)
    .where(and(eq(deliveries.organizationId, tx.organizationId), eq(deliveries.id, id)));
  if (row === undefined) throw new Fault('not_found', 'There is no such delivery');
  return row;
}

/** An execution that a delivery started, with its environment and the services it deploys. */
export interface StartedExecution {
  readonly execution: ExecutionRow;
  readonly environment: EnvironmentRow;
  readonly services: readonly ServiceRow[];
  /** The last of those that took its work over, one from the other; null where it was not taken. */
  readonly supersededBy: ExecutionId | null;
}

/** What a delivery started, in the order in which it did. */
export async function listStartedExecutions(
  tx: TenantTransaction,
  delivery: DeliveryRow,
): Promise<readonly StartedExecution[]> {
  if (delivery.executionIds.length === 0) return [];
  const started = await tx.db
    .select({ execution: executions, environment: environments })
    .from(executions)
    .innerJoin(environments, eq(environments.id, executions.environmentId))
    .where(
      and(
        eq(executions.organizationId, tx.organizationId),
        inArray(executions.id, delivery.executionIds),
      ),
    )
    .orderBy(executions.id);
  const parts = await tx.db
    .select({ executionId: executionServices.executionId, service: services })
    .from(executionServices)
    .innerJoin(services, eq(services.id, executionServices.serviceId))
    .where(
      and(
        eq(executionServices.organizationId, tx.organizationId),
        inArray(executionServices.executionId, delivery.executionIds),
      ),
    )
    .orderBy(services.id);
  const successors = await findSuccessors(tx, delivery.executionIds);
  return started.map(({ execution, environment }) => ({
    execution,
    environment,
    supersededBy: successors.get(execution.id) ?? null,
    services: parts
      .filter((part) => part.executionId === execution.id)
      .map(({ service }) => service),
  }));
}

/** One that was to be canceled and succeeded all the same was not taken over. */
const takenStatuses = ['CANCELING', 'CANCELED', 'SUPERSEDED'] as const;

async function findSuccessors(
  tx: TenantTransaction,
  ids: readonly ExecutionId[],
): Promise<ReadonlyMap<ExecutionId, ExecutionId>> {
  const taken = and(
    eq(executions.organizationId, tx.organizationId),
    inArray(executions.status, [...takenStatuses]),
    isNotNull(executions.supersededBy),
  );
  const rows = await tx.db.execute<{ first: ExecutionId; last: ExecutionId }>(sql`
    with recursive chain as (
      select id as first, superseded_by as last, generation from ${executions}
      where ${taken} and ${inArray(executions.id, [...ids])}
      union all
      select chain.first, ${executions.supersededBy}, ${executions.generation}
      from chain join ${executions} on ${executions.id} = chain.last and ${taken}
    ) select distinct on (first) first, last from chain order by first, generation desc`);
  return new Map(rows.map(({ first, last }) => [first, last]));
}

/**
 * The same delivery once more, under an id of its own, as it was received. One that was set aside is
 * settled by it: what becomes of the replay is the replay's, and is set aside again where it fails.
 *
 * @throws Fault `conflict` where its payload's retention is over
 */
export async function insertReplay(
  tx: TenantTransaction,
  now: Temporal.Instant,
  original: DeliveryRow,
): Promise<DeliveryRow> {
  const id = newId<DeliveryId>();
  const day = dayOf(now);
  const copied = await tx.db.execute(sql`
    insert into ${deliveryPayloads} (delivery_id, day, organization_id, headers, body)
    select ${id}, ${day.toString()}::date, organization_id, headers, body from ${deliveryPayloads}
    where organization_id = ${tx.organizationId} and delivery_id = ${original.id}
      and day = ${original.day.toString()}::date
    returning delivery_id`);
  if (copied.length === 0) {
    throw new Fault('conflict', 'The content of this delivery is not kept any more');
  }
  const [row] = await tx.db
    .insert(deliveries)
    .values({
      id,
      day,
      organizationId: tx.organizationId,
      incomingWebhookId: original.incomingWebhookId,
      providerDeliveryId: `replay-${id}`,
      event: original.event,
      cause: 'REPLAYED',
      receivedAt: now,
      nextAttemptAt: now,
      trace: tx.context.trace ?? null,
      replayOf: original.id,
    })
    .returning();
  if (row === undefined) throw new Fault('internal', 'The delivery was not saved');
  if (original.state === 'SET_ASIDE') await settleSetAside(tx, now, original.id, id);
  return row;
}

/** Its reason stays readable, with what took its place. */
async function settleSetAside(
  tx: TenantTransaction,
  now: Temporal.Instant,
  id: DeliveryId,
  replayId: DeliveryId,
): Promise<void> {
  await tx.db.execute(sql`
    with settled as (
      delete from ${deliveryQueue}
      where organization_id = ${tx.organizationId} and delivery_id = ${id} and is_set_aside
      returning delivery_id
    )
    update ${deliveries} d set state = 'HANDLED', handled_at = ${now.toString()},
      outcome = d.outcome || ${` Replayed as ${replayId}.`}
    from settled where d.id = settled.delivery_id and d.state = 'SET_ASIDE'`);
}
