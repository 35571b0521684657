import { randomUUIDv7 } from 'node:crypto';
import type { ExecutionId } from '@pilotfish/kernel';
import { and, asc, eq, sql } from 'drizzle-orm';
import { outbox } from '../schema/executions.ts';
import type { SystemTransaction, TenantTransaction } from '../transactions.ts';
import type { ExecutionRow } from './executions.ts';

export type OutboxRow = typeof outbox.$inferSelect;

/** Announces an execution to its cluster, in the transaction that released it or raised its attempt. */
export async function writeOutbox(
  tx: TenantTransaction,
  now: Temporal.Instant,
  execution: Pick<ExecutionRow, 'id' | 'clusterId' | 'environmentId' | 'generation'>,
): Promise<void> {
  await tx.db
    .insert(outbox)
    .values({
      id: randomUUIDv7(),
      organizationId: tx.organizationId,
      clusterId: execution.clusterId,
      environmentId: execution.environmentId,
      executionId: execution.id,
      generation: execution.generation,
      nextTryAt: now,
      createdAt: now,
    })
    // Still waiting from the attempt before: the relay reads the execution as it is when it publishes.
    .onConflictDoUpdate({ target: outbox.executionId, set: { nextTryAt: now, failures: 0 } });
}

/**
 * Claims the next due row, for the length of the transaction. Only the oldest row of an environment
 * is ever offered and it stays locked, so an environment belongs to one relay at a time and its
 * rows are published in order of generation. No position is remembered: whatever is in the table,
 * however late it was committed, is published.
 */
export async function claimOutbox(
  tx: SystemTransaction<'worker'>,
  now: Temporal.Instant,
): Promise<OutboxRow | null> {
  const older = sql`exists (select 1 from outbox older
    where older.environment_id = ${outbox.environmentId} and older.generation < ${outbox.generation})`;
  const [row] = await tx.db
    .select()
    .from(outbox)
    .where(and(sql`${outbox.nextTryAt} <= ${now.toString()}`, sql`not ${older}`))
    .orderBy(asc(outbox.nextTryAt), asc(outbox.id))
    .limit(1)
    .for('update', { skipLocked: true });
  return row ?? null;
}

/** Published, or to be published never. */
export async function deleteOutbox(
  tx: SystemTransaction<'worker'> | TenantTransaction,
  executionId: ExecutionId,
): Promise<void> {
  await tx.db.delete(outbox).where(eq(outbox.executionId, executionId));
}

/** Could not be published just now. */
export async function postponeOutbox(
  tx: SystemTransaction<'worker'>,
  row: OutboxRow,
  nextTryAt: Temporal.Instant,
): Promise<void> {
  await tx.db
    .update(outbox)
    .set({ failures: row.failures + 1, nextTryAt })
    .where(eq(outbox.id, row.id));
}
