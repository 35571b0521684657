import { and, eq, lt, sql } from 'drizzle-orm';
import { idempotencyKeys } from '../schema/identity.ts';
import type { SystemTransaction, TenantTransaction } from '../transactions.ts';

export type IdempotencyRow = typeof idempotencyKeys.$inferSelect;

const mine = (tx: TenantTransaction, key: string) =>
  and(
    eq(idempotencyKeys.organizationId, tx.organizationId),
    eq(idempotencyKeys.principalId, tx.context.actor.principalId),
    eq(idempotencyKeys.key, key),
  );

/** What a key of the caller stands for; null where it is new or its time is over. */
export async function findIdempotencyKey(
  tx: TenantTransaction,
  now: Temporal.Instant,
  key: string,
): Promise<IdempotencyRow | null> {
  const [row] = await tx.db.select().from(idempotencyKeys).where(mine(tx, key));
  if (row === undefined || Temporal.Instant.compare(row.expiresAt, now) <= 0) return null;
  return row;
}

export interface NewIdempotencyKey {
  readonly key: string;
  readonly operation: string;
  readonly requestHash: string;
  readonly expiresAt: Temporal.Instant;
}

/**
 * Takes a key for the transaction's request. Waits for another transaction that is at it; false
 * where that one committed, so that its answer is to be given again.
 */
export async function claimIdempotencyKey(
  tx: TenantTransaction,
  now: Temporal.Instant,
  claim: NewIdempotencyKey,
): Promise<boolean> {
  const { expiresAt, operation, requestHash } = claim;
  const claimed = await tx.db
    .insert(idempotencyKeys)
    .values({
      ...claim,
      organizationId: tx.organizationId,
      principalId: tx.context.actor.principalId,
      createdAt: now,
    })
    .onConflictDoUpdate({
      target: [idempotencyKeys.organizationId, idempotencyKeys.principalId, idempotencyKeys.key],
      set: {
        operation,
        requestHash,
        expiresAt,
        createdAt: now,
        status: null,
        response: null,
        resourceId: null,
      },
      setWhere: sql`${idempotencyKeys.expiresAt} <= ${now.toString()}`,
    })
    .returning({ key: idempotencyKeys.key });
  return claimed.length > 0;
}

/** Keeps what a repeat is answered. `response` never holds a secret. */
export async function completeIdempotencyKey(
  tx: TenantTransaction,
  key: string,
  answer: {
    readonly status: number;
    readonly response: unknown;
    readonly resourceId: string | null;
  },
): Promise<void> {
  await tx.db.update(idempotencyKeys).set(answer).where(mine(tx, key));
}

/** Forgets keys whose time is over. */
export async function deleteExpiredIdempotencyKeys(
  tx: SystemTransaction<'worker'>,
  now: Temporal.Instant,
): Promise<number> {
  const deleted = await tx.db
    .delete(idempotencyKeys)
    .where(lt(idempotencyKeys.expiresAt, now))
    .returning({ key: idempotencyKeys.key });
  return deleted.length;
}
