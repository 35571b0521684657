import type { GitTokenId } from '@pilotfish/kernel';
import { and, asc, eq, isNotNull, isNull, sql } from 'drizzle-orm';
import { branchHeads } from '../schema/deliveries.ts';
import { services } from '../schema/environments.ts';
import { watchedRepositories } from '../schema/watched-repositories.ts';
import type { SystemTransaction, TenantTransaction } from '../transactions.ts';

export type WatchedRepositoryRow = typeof watchedRepositories.$inferSelect;

/** A branch that a service follows, as that service has it. */
export interface WatchedBranch {
  readonly branch: string;
  readonly url: string;
  readonly gitTokenId: GitTokenId | null;
}

export interface ClaimedRepository {
  readonly row: WatchedRepositoryRow;
  /** Those with a token first; several where services write the address differently. */
  readonly branches: readonly WatchedBranch[];
}

/** Services that are deployed by pushes. */
const isWatching = and(
  isNull(services.deletedAt),
  eq(services.autoDeploy, true),
  isNotNull(services.repositoryKey),
  isNotNull(services.branch),
);

/** Begins with the repositories that a service follows since the last time. */
export async function watchNewRepositories(
  tx: SystemTransaction<'worker'>,
  now: Temporal.Instant,
): Promise<void> {
  await tx.db.execute(sql`
    insert into ${watchedRepositories} (organization_id, repository_key, next_compare_at)
    select distinct ${services.organizationId}, ${services.repositoryKey}, ${now.toString()}::timestamptz
    from ${services}
    where ${isWatching} and not exists (select 1 from ${watchedRepositories} w
      where w.organization_id = ${services.organizationId}
        and w.repository_key = ${services.repositoryKey})
    on conflict do nothing`);
}

/**
 * Takes the repository that has been due the longest, for `leaseSeconds`; null where none is. One
 * that nobody follows any more is forgotten instead.
 *
 * @param busyHosts hosts that are asked enough already
 */
export async function claimWatchedRepository(
  tx: SystemTransaction<'worker'>,
  now: Temporal.Instant,
  options: { readonly leaseSeconds: number; readonly busyHosts: readonly string[] },
): Promise<ClaimedRepository | 'forgotten' | null> {
  const instant = now.toString();
  const leasedUntil = now.add({ seconds: options.leaseSeconds });
  const isFree = sql`split_part(repository_key, '/', 1) <> all(${sql.param([...options.busyHosts])}::text[])`;
  const [row] = await tx.db
    .update(watchedRepositories)
    .set({ nextCompareAt: leasedUntil })
    .where(
      sql`(organization_id, repository_key) = (
        select organization_id, repository_key from ${watchedRepositories}
        where next_compare_at <= ${instant}::timestamptz and ${isFree}
        order by next_compare_at limit 1 for update skip locked)`,
    )
    .returning();
  if (row === undefined) return null;
  const branches = await tx.db
    .selectDistinct({
      branch: sql<string>`${services.branch}`,
      url: sql<string>`${services.spec} #>> '{git,url}'`,
      gitTokenId: services.gitTokenId,
    })
    .from(services)
    .where(
      and(
        isWatching,
        eq(services.organizationId, row.organizationId),
        eq(services.repositoryKey, row.repositoryKey),
      ),
    )
    .orderBy(asc(services.gitTokenId), sql`2`, sql`1`);
  if (branches.length > 0) return { row, branches };
  await tx.db.delete(watchedRepositories).where(isRow(row));
  return 'forgotten';
}

const isRow = (row: Pick<WatchedRepositoryRow, 'organizationId' | 'repositoryKey'>) =>
  and(
    eq(watchedRepositories.organizationId, row.organizationId),
    eq(watchedRepositories.repositoryKey, row.repositoryKey),
  );

/** What came of a comparison; one whose claim ran out meanwhile is saved all the same. */
export async function saveComparison(
  tx: TenantTransaction,
  repositoryKey: string,
  outcome: Pick<WatchedRepositoryRow, 'nextCompareAt' | 'failures'> &
    Partial<Pick<WatchedRepositoryRow, 'comparedAt' | 'etag'>>,
): Promise<void> {
  const { organizationId } = tx;
  await tx.db
    .update(watchedRepositories)
    .set(outcome)
    .where(isRow({ organizationId, repositoryKey }));
}

/** A head that nobody acted on yet, and since when the branch is ahead of what was acted on. */
export async function saveHeadAhead(
  tx: TenantTransaction,
  head: { readonly repositoryKey: string; readonly branch: string; readonly sha: string },
  handledSha: string | null,
  since: Temporal.Instant,
): Promise<void> {
  await tx.db
    .update(branchHeads)
    .set({ headSha: head.sha, observedAt: since })
    .where(
      and(
        eq(branchHeads.organizationId, tx.organizationId),
        eq(branchHeads.repositoryKey, head.repositoryKey),
        eq(branchHeads.branch, head.branch),
        // Somebody may have acted on it since.
        sql`${branchHeads.handledSha} is not distinct from ${handledSha}`,
      ),
    );
}
