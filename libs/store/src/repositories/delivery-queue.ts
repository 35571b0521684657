import {
  type DeliveryId,
  type ExecutionId,
  type IncomingWebhookId,
  newId,
} from '@pilotfish/kernel';
import { and, asc, eq, inArray, lte, sql } from 'drizzle-orm';
import { deliveries, deliveryPayloads, incomingWebhooks } from '../schema/deliveries.ts';
import type { SystemTransaction, TenantTransaction } from '../transactions.ts';
import type { DeliveryRow } from './delivery-history.ts';
import { dayOf } from './partitions.ts';

/** A delivery with what is needed to read it. */
export interface ClaimedDelivery {
  readonly delivery: DeliveryRow;
  /** Null where the hook was deleted meanwhile. */
  readonly provider: (typeof incomingWebhooks.$inferSelect)['provider'] | null;
  /** Null where its retention is over. */
  readonly body: Uint8Array | null;
}

/**
 * Takes pending deliveries for `leaseSeconds`, in any order: what decides is Git's head, not the
 * order in which pushes were announced. Whoever dies with them loses them to the next claim.
 */
export async function claimDeliveries(
  tx: SystemTransaction<'worker'>,
  now: Temporal.Instant,
  options: { readonly limit: number; readonly leaseSeconds: number },
): Promise<readonly ClaimedDelivery[]> {
  const due = tx.db
    .select({ id: deliveries.id })
    .from(deliveries)
    .where(and(eq(deliveries.state, 'PENDING'), lte(deliveries.nextAttemptAt, now)))
    .orderBy(asc(deliveries.nextAttemptAt))
    .limit(options.limit)
    .for('update', { skipLocked: true });
  const claimed = await tx.db
    .update(deliveries)
    .set({
      attempts: sql`${deliveries.attempts} + 1`,
      nextAttemptAt: now.add({ seconds: options.leaseSeconds }),
    })
    .where(inArray(deliveries.id, due))
    .returning();
  if (claimed.length === 0) return [];
  const rows = await tx.db
    .select({
      id: deliveries.id,
      provider: incomingWebhooks.provider,
      body: deliveryPayloads.body,
    })
    .from(deliveries)
    .leftJoin(incomingWebhooks, eq(incomingWebhooks.id, deliveries.incomingWebhookId))
    .leftJoin(
      deliveryPayloads,
      and(eq(deliveryPayloads.deliveryId, deliveries.id), eq(deliveryPayloads.day, deliveries.day)),
    )
    .where(
      inArray(
        deliveries.id,
        claimed.map((row) => row.id),
      ),
    );
  const byId = new Map(rows.map((row) => [row.id, row]));
  return claimed
    .sort((a, b) => (a.id < b.id ? -1 : 1))
    .map((delivery) => ({
      delivery,
      provider: byId.get(delivery.id)?.provider ?? null,
      body: byId.get(delivery.id)?.body ?? null,
    }));
}

/** Locks those of the deliveries that still are to be handled, until the transaction ends. */
export async function lockPendingDeliveries(
  tx: TenantTransaction,
  ids: readonly DeliveryId[],
): Promise<readonly DeliveryRow[]> {
  return await tx.db
    .select()
    .from(deliveries)
    .where(
      and(
        eq(deliveries.organizationId, tx.organizationId),
        inArray(deliveries.id, [...ids]),
        eq(deliveries.state, 'PENDING'),
      ),
    )
    .orderBy(asc(deliveries.id))
    .for('update');
}

/** The end of a delivery: one sentence that says what became of it. */
export async function finishDelivery(
  tx: TenantTransaction,
  now: Temporal.Instant,
  id: DeliveryId,
  end: {
    readonly state: 'HANDLED' | 'SET_ASIDE';
    readonly outcome: string;
    readonly executionIds: readonly ExecutionId[];
  },
): Promise<void> {
  await tx.db
    .update(deliveries)
    .set({ ...end, executionIds: [...end.executionIds], handledAt: now })
    .where(and(eq(deliveries.organizationId, tx.organizationId), eq(deliveries.id, id)));
}

/** Could not be handled just now; `outcome` says why, for whoever looks meanwhile. */
export async function postponeDelivery(
  tx: TenantTransaction,
  id: DeliveryId,
  nextAttemptAt: Temporal.Instant,
  outcome: string,
): Promise<void> {
  await tx.db
    .update(deliveries)
    .set({ nextAttemptAt, outcome })
    .where(
      and(
        eq(deliveries.organizationId, tx.organizationId),
        eq(deliveries.id, id),
        eq(deliveries.state, 'PENDING'),
      ),
    );
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
    .onConflictDoNothing()
    .returning({ id: deliveries.id });
  if (rows.length === 0) return false;
  const body = new TextEncoder().encode(JSON.stringify(healing.body));
  await tx.db
    .insert(deliveryPayloads)
    .values({ deliveryId: id, day, organizationId, headers: {}, body });
  return true;
}
