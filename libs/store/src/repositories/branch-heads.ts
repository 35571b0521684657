import { and, eq } from 'drizzle-orm';
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
 * Locks one branch until the transaction ends, making its row if it is new. Whoever asks Git for the
 * head under this lock gets one that is no older than any that was acted on before.
 */
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
    .set({ headSha: head.sha, handledSha: head.sha, observedAt: now, handledAt: now })
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
