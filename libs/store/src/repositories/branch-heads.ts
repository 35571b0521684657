import { and, eq, sql } from 'drizzle-orm';
import { branchHeads } from '../schema/deliveries.ts';
import type { TenantTransaction } from '../transactions.ts';

export type BranchHeadRow = typeof branchHeads.$inferSelect;

const rowOf = (tx: TenantTransaction, repositoryKey: string, branch: string) =>
  and(
    eq(branchHeads.organizationId, tx.organizationId),
    eq(branchHeads.repositoryKey, repositoryKey),
    eq(branchHeads.branch, branch),
  );

/**
 * How often somebody acted on a head of the branch. Whoever reads it, asks Git, and finds it the
 * same under the branch's lock has an answer no older than any that was acted on before; without a
 * lock, let alone a connection, being held for as long as a Git host takes to answer.
 */
export async function countHeadActions(
  tx: TenantTransaction,
  repositoryKey: string,
  branch: string,
): Promise<number> {
  const [row] = await tx.db
    .select({ actions: branchHeads.actions })
    .from(branchHeads)
    .where(rowOf(tx, repositoryKey, branch));
  return row?.actions ?? 0;
}

/** Where the branch was when it was seen last; null where it is gone, or was never seen. */
export async function findSeenHead(
  tx: TenantTransaction,
  repositoryKey: string,
  branch: string,
): Promise<string | null> {
  const [row] = await tx.db
    .select({ headSha: branchHeads.headSha })
    .from(branchHeads)
    .where(rowOf(tx, repositoryKey, branch));
  return row?.headSha ?? null;
}

/** Locks one branch until the transaction ends, making its row if it is new. */
export async function lockBranchHead(
  tx: TenantTransaction,
  now: Temporal.Instant,
  repositoryKey: string,
  branch: string,
): Promise<BranchHeadRow> {
  await tx.db
    .insert(branchHeads)
    .values({ organizationId: tx.organizationId, repositoryKey, branch, observedAt: now })
    .onConflictDoNothing();
  const [row] = await tx.db
    .select()
    .from(branchHeads)
    .where(rowOf(tx, repositoryKey, branch))
    .for('update');
  // The row exists: it was inserted above, and no code deletes any.
  return row as BranchHeadRow;
}

/** The head for which services were matched; null where the branch is gone. */
export async function saveHandledHead(
  tx: TenantTransaction,
  now: Temporal.Instant,
  head: { readonly repositoryKey: string; readonly branch: string; readonly sha: string | null },
): Promise<void> {
  await tx.db
    .update(branchHeads)
    .set({
      headSha: head.sha,
      handledSha: head.sha,
      observedAt: now,
      handledAt: now,
      actions: sql`${branchHeads.actions} + 1`,
    })
    .where(rowOf(tx, head.repositoryKey, head.branch));
}

/** What is known of a repository's branches. */
export async function listBranchHeads(
  tx: TenantTransaction,
  repositoryKey: string,
): Promise<readonly BranchHeadRow[]> {
  return await tx.db
    .select()
    .from(branchHeads)
    .where(
      and(
        eq(branchHeads.organizationId, tx.organizationId),
        eq(branchHeads.repositoryKey, repositoryKey),
      ),
    );
}

/** Remembers a branch that was never seen before, as handled: only what changes later is a push. */
export async function insertBaselineHead(
  tx: TenantTransaction,
  now: Temporal.Instant,
  head: { readonly repositoryKey: string; readonly branch: string; readonly sha: string | null },
): Promise<void> {
  await tx.db
    .insert(branchHeads)
    .values({
      organizationId: tx.organizationId,
      repositoryKey: head.repositoryKey,
      branch: head.branch,
      headSha: head.sha,
      handledSha: head.sha,
      observedAt: now,
      handledAt: now,
    })
    .onConflictDoNothing();
}
