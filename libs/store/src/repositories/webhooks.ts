import { Fault, type IncomingWebhookId } from '@pilotfish/kernel';
import { and, asc, desc, eq, inArray, isNotNull, isNull, lt, sql } from 'drizzle-orm';
import { incomingWebhooks } from '../schema/deliveries.ts';
import type { SystemTransaction, TenantTransaction } from '../transactions.ts';

export type IncomingWebhookRow = typeof incomingWebhooks.$inferSelect;

export type NewIncomingWebhook = Pick<
  IncomingWebhookRow,
  'id' | 'name' | 'provider' | 'secretCiphertext' | 'managed'
>;

export async function insertIncomingWebhook(
  tx: TenantTransaction,
  now: Temporal.Instant,
  webhook: NewIncomingWebhook,
): Promise<IncomingWebhookRow> {
  const [row] = await tx.db
    .insert(incomingWebhooks)
    .values({
      ...webhook,
      organizationId: tx.organizationId,
      createdBy: tx.context.actor.principalId,
      createdAt: now,
      updatedAt: now,
    })
    .returning();
  if (row === undefined) throw new Fault('internal', 'The webhook was not saved');
  return row;
}

const alive = (tx: TenantTransaction) =>
  and(eq(incomingWebhooks.organizationId, tx.organizationId), isNull(incomingWebhooks.deletedAt));

/** Those that users made, oldest first. */
export async function listIncomingWebhooks(
  tx: TenantTransaction,
  limit: number,
): Promise<readonly IncomingWebhookRow[]> {
  return await tx.db
    .select()
    .from(incomingWebhooks)
    .where(and(alive(tx), eq(incomingWebhooks.managed, false)))
    .orderBy(asc(incomingWebhooks.id))
    .limit(limit);
}

/** The one that announces the pushes of the built-in Git host; null before the first repository. */
export async function findManagedWebhook(
  tx: TenantTransaction,
): Promise<IncomingWebhookRow | null> {
  const [row] = await tx.db
    .select()
    .from(incomingWebhooks)
    .where(and(alive(tx), eq(incomingWebhooks.managed, true)))
    .orderBy(desc(incomingWebhooks.id))
    .limit(1);
  return row ?? null;
}

/** The one that Pilotfish registers with a provider's repositories; null before the first. */
export async function findRegisteringWebhook(
  tx: TenantTransaction,
  provider: IncomingWebhookRow['provider'],
): Promise<IncomingWebhookRow | null> {
  const [row] = await tx.db
    .select()
    .from(incomingWebhooks)
    .where(
      and(alive(tx), eq(incomingWebhooks.registers, true), eq(incomingWebhooks.provider, provider)),
    );
  return row ?? null;
}

/** That one, made where there is none; of several who make it at the same time one does. */
export async function ensureRegisteringWebhook(
  tx: TenantTransaction,
  now: Temporal.Instant,
  webhook: Omit<NewIncomingWebhook, 'managed'>,
): Promise<{ readonly row: IncomingWebhookRow; readonly isNew: boolean }> {
  const made = await tx.db
    .insert(incomingWebhooks)
    .values({
      ...webhook,
      registers: true,
      organizationId: tx.organizationId,
      createdBy: tx.context.actor.principalId,
      createdAt: now,
      updatedAt: now,
    })
    .onConflictDoNothing()
    .returning({ id: incomingWebhooks.id });
  const row = await findRegisteringWebhook(tx, webhook.provider);
  if (row === null) throw new Fault('internal', 'The webhook was not saved');
  return { row, isNew: made.length > 0 };
}

/** Deleted ones as well: what they delivered stays readable. @throws Fault `not_found` */
export async function getIncomingWebhook(
  tx: TenantTransaction,
  id: IncomingWebhookId,
): Promise<IncomingWebhookRow> {
  const [row] = await tx.db
    .select()
    .from(incomingWebhooks)
    .where(
      and(eq(incomingWebhooks.organizationId, tx.organizationId), eq(incomingWebhooks.id, id)),
    );
  if (row === undefined) throw new Fault('not_found', 'There is no such webhook');
  return row;
}

/** Locked until the transaction ends. @throws Fault `not_found` where it is not the tenant's */
export async function lockIncomingWebhook(
  tx: TenantTransaction,
  id: IncomingWebhookId,
): Promise<IncomingWebhookRow> {
  const [row] = await tx.db
    .select()
    .from(incomingWebhooks)
    .where(and(alive(tx), eq(incomingWebhooks.id, id)))
    .for('update');
  if (row === undefined) throw new Fault('not_found', 'There is no such webhook');
  return row;
}

type WebhookChange = Partial<
  Pick<
    IncomingWebhookRow,
    | 'secretCiphertext'
    | 'secretVersion'
    | 'previousSecretCiphertext'
    | 'previousSecretValidUntil'
    | 'nextSecretCiphertext'
    | 'deletedAt'
  >
>;

/** Changes a locked webhook. */
export async function updateIncomingWebhook(
  tx: TenantTransaction,
  now: Temporal.Instant,
  id: IncomingWebhookId,
  change: WebhookChange,
): Promise<IncomingWebhookRow> {
  const [row] = await tx.db
    .update(incomingWebhooks)
    .set({ ...change, updatedAt: now, version: sql`${incomingWebhooks.version} + 1` })
    .where(and(alive(tx), eq(incomingWebhooks.id, id)))
    .returning();
  if (row === undefined) throw new Fault('not_found', 'There is no such webhook');
  return row;
}

/** Who sends to each of the webhooks; those that were deleted are left out. */
export async function findProviders(
  tx: TenantTransaction,
  ids: readonly IncomingWebhookId[],
): Promise<ReadonlyMap<IncomingWebhookId, IncomingWebhookRow['provider']>> {
  if (ids.length === 0) return new Map();
  const rows = await tx.db
    .select({ id: incomingWebhooks.id, provider: incomingWebhooks.provider })
    .from(incomingWebhooks)
    .where(and(alive(tx), inArray(incomingWebhooks.id, [...ids])));
  return new Map(rows.map(({ id, provider }) => [id, provider]));
}

/**
 * Forgets secrets of rotations that ended half-way. A rotation is the last that changed its webhook
 * while it is under way: since when is told by `updated_at`.
 *
 * @returns of how many webhooks
 */
export async function dropNextSecrets(
  tx: SystemTransaction<'worker'>,
  now: Temporal.Instant,
  begunBefore: Temporal.Instant,
): Promise<number> {
  const dropped = await tx.db
    .update(incomingWebhooks)
    .set({
      nextSecretCiphertext: null,
      updatedAt: now,
      version: sql`${incomingWebhooks.version} + 1`,
    })
    .where(
      and(
        isNotNull(incomingWebhooks.nextSecretCiphertext),
        lt(incomingWebhooks.updatedAt, begunBefore),
      ),
    )
    .returning({ id: incomingWebhooks.id });
  return dropped.length;
}
