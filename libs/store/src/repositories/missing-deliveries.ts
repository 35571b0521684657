import type { WebhookRegistrationId } from '@pilotfish/kernel';
import { and, desc, eq, lte, sql } from 'drizzle-orm';
import { deliveries } from '../schema/deliveries.ts';
import { gitTokens } from '../schema/git-tokens.ts';
import { missingDeliveries } from '../schema/missing-deliveries.ts';
import { webhookRegistrations } from '../schema/webhook-registrations.ts';
import type { SystemTransaction, TenantTransaction } from '../transactions.ts';
import type { GitTokenRow } from './git-tokens.ts';
import type { WebhookRegistrationRow } from './webhook-registrations.ts';

export type MissingDeliveryRow = typeof missingDeliveries.$inferSelect;

/** A webhook at a provider that is to be asked what it could not deliver. */
export interface DeliveryCheck {
  readonly registration: WebhookRegistrationRow;
  /** The provider's id of the webhook. */
  readonly hookId: string;
  readonly token: GitTokenRow;
}

/** Takes the check that has been due the longest, for `leaseSeconds`; null where none is. */
export async function claimDeliveryCheck(
  tx: SystemTransaction<'worker'>,
  now: Temporal.Instant,
  leaseSeconds: number,
): Promise<DeliveryCheck | null> {
  const [registration] = await tx.db
    .update(webhookRegistrations)
    .set({ deliveriesDueAt: now.add({ seconds: leaseSeconds }) })
    .where(
      sql`${webhookRegistrations.id} = (
        select r.id from ${webhookRegistrations} r join ${gitTokens} t on t.id = r.git_token_id
        where r.provider_hook_id is not null and r.deliveries_due_at <= ${now.toString()}::timestamptz
          and (t.paused_until is null or t.paused_until <= ${now.toString()}::timestamptz)
        order by r.deliveries_due_at limit 1 for update of r skip locked)`,
    )
    .returning();
  if (registration?.providerHookId == null) return null;
  const [token] = await tx.db
    .select()
    .from(gitTokens)
    .where(eq(gitTokens.id, registration.gitTokenId));
  return token === undefined ? null : { registration, hookId: registration.providerHookId, token };
}

const isOf = (tx: TenantTransaction, registrationId: WebhookRegistrationId) =>
  and(
    eq(missingDeliveries.organizationId, tx.organizationId),
    eq(missingDeliveries.registrationId, registrationId),
  );

/** When the provider is asked next, and what is known since it was asked. */
export async function saveDeliveryCheck(
  tx: TenantTransaction,
  id: WebhookRegistrationId,
  outcome: Pick<WebhookRegistrationRow, 'deliveriesDueAt' | 'deliveriesFailures'> &
    Partial<Pick<WebhookRegistrationRow, 'deliveriesCheckedAt' | 'newestDeliveryId'>>,
): Promise<void> {
  await tx.db
    .update(webhookRegistrations)
    .set(outcome)
    .where(
      and(
        eq(webhookRegistrations.organizationId, tx.organizationId),
        eq(webhookRegistrations.id, id),
      ),
    );
}

/** Remembers what the provider could not deliver; of what is known already, the newest attempt. */
export async function insertMissingDeliveries(
  tx: TenantTransaction,
  now: Temporal.Instant,
  registrationId: WebhookRegistrationId,
  missing: readonly { readonly id: string; readonly eventId: string }[],
): Promise<void> {
  if (missing.length === 0) return;
  const { organizationId } = tx;
  await tx.db
    .insert(missingDeliveries)
    .values(
      missing.map(({ id: deliveryId, eventId }) => ({
        registrationId,
        organizationId,
        eventId,
        deliveryId,
        seenAt: now,
        nextRequestAt: now,
      })),
    )
    .onConflictDoUpdate({
      target: [missingDeliveries.registrationId, missingDeliveries.eventId],
      set: { deliveryId: sql`excluded.delivery_id` },
    });
}

/**
 * Forgets those that are in the inbox by now, whether they were answered or not, and those that
 * were seen before `oldest`: a provider does not keep them for ever.
 *
 * @returns how many arrived after they were asked for
 */
export async function forgetSettledDeliveries(
  tx: TenantTransaction,
  { id, incomingWebhookId }: WebhookRegistrationRow,
  oldest: Temporal.Instant,
): Promise<number> {
  const hasArrived = sql`exists (select 1 from ${deliveries} d
    where d.incoming_webhook_id = ${incomingWebhookId}
      and d.provider_delivery_id = ${missingDeliveries.eventId})`;
  const arrived = await tx.db
    .delete(missingDeliveries)
    .where(and(isOf(tx, id), hasArrived))
    .returning({ requests: missingDeliveries.requests });
  await tx.db
    .delete(missingDeliveries)
    .where(and(isOf(tx, id), lte(missingDeliveries.seenAt, oldest)));
  return arrived.filter(({ requests }) => requests > 0).length;
}

/** Those to ask for, the newest first: it is the one that matters most. */
export async function listDueMissingDeliveries(
  tx: TenantTransaction,
  now: Temporal.Instant,
  registrationId: WebhookRegistrationId,
  limit: number,
): Promise<readonly MissingDeliveryRow[]> {
  return await tx.db
    .select()
    .from(missingDeliveries)
    .where(and(isOf(tx, registrationId), lte(missingDeliveries.nextRequestAt, now)))
    .orderBy(
      desc(missingDeliveries.seenAt),
      desc(sql`length(${missingDeliveries.deliveryId})`),
      desc(missingDeliveries.deliveryId),
    )
    .limit(limit);
}

/** It was asked for; not again before `nextRequestAt`. */
export async function saveRedeliveryRequest(
  tx: TenantTransaction,
  { registrationId, eventId, requests }: MissingDeliveryRow,
  nextRequestAt: Temporal.Instant,
): Promise<void> {
  await tx.db
    .update(missingDeliveries)
    .set({ requests: requests + 1, nextRequestAt })
    .where(and(isOf(tx, registrationId), eq(missingDeliveries.eventId, eventId)));
}

/** The provider knows nothing of it any more. */
export async function deleteMissingDelivery(
  tx: TenantTransaction,
  { registrationId, eventId }: MissingDeliveryRow,
): Promise<void> {
  await tx.db
    .delete(missingDeliveries)
    .where(and(isOf(tx, registrationId), eq(missingDeliveries.eventId, eventId)));
}
