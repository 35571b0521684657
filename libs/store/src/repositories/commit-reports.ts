import { type CommitStatus, progressesOf } from '@pilotfish/domain-deploy';
import type { ExecutionId, GitTokenId, OrganizationId, ServiceId } from '@pilotfish/kernel';
import { and, eq, isNull, lt, lte, ne, or, sql } from 'drizzle-orm';
import { commitReports } from '../schema/commit-reports.ts';
import type { SystemTransaction, TenantTransaction } from '../transactions.ts';

export type CommitReportRow = typeof commitReports.$inferSelect;

/** A commit of a service about which its Git provider was told something else than is the case. */
export interface WantedReport {
  readonly organizationId: OrganizationId;
  readonly serviceId: ServiceId;
  readonly gitTokenId: GitTokenId;
  readonly commitSha: string;
  /** The newest that deploys or deployed the commit. */
  readonly executionId: ExecutionId;
  readonly status: CommitStatus;
}

const statuses: readonly CommitStatus[] = ['pending', 'success', 'failure', 'canceled'];

/** `case progress when …`: the rule of `commitStatusOf`, for the database. */
const statusOfPart = sql.join(
  [
    sql`case`,
    ...statuses.map((status) => {
      const progresses = sql.join(
        progressesOf(status).map((progress) => sql`${progress}`),
        sql`, `,
      );
      return sql`when p.progress in (${progresses}) then ${status}`;
    }),
    sql`end`,
  ],
  sql` `,
);

/**
 * Deployments that were asked for since, of living services with a Git token, about which the provider
 * is to be told: by the newest execution of each commit. Those that failed before wait for their time,
 * and those whose token the provider paused for the token's.
 */
export async function listWantedReports(
  tx: SystemTransaction<'worker'>,
  now: Temporal.Instant,
  options: { readonly since: Temporal.Instant; readonly limit: number },
): Promise<readonly WantedReport[]> {
  const at = now.toString();
  const rows = await tx.db.execute<Record<keyof WantedReport, string>>(sql`
    with newest as (
      select distinct on (p.service_id, p.commit_sha)
        p.organization_id, p.service_id, p.commit_sha, p.execution_id,
        s.git_token_id, ${statusOfPart} as status
      from services s
      join git_tokens t on t.id = s.git_token_id and coalesce(t.paused_until <= ${at}, true)
      join execution_services p on p.service_id = s.id and p.execution_id >= ${firstIdOf(options.since)}
      where s.git_token_id is not null and s.deleted_at is null
        and p.action = 'DEPLOY' and p.commit_sha is not null
      order by p.service_id, p.commit_sha, p.execution_id desc)
    select n.organization_id as "organizationId", n.service_id as "serviceId",
      n.git_token_id as "gitTokenId", n.commit_sha as "commitSha", n.execution_id as "executionId", n.status
    from newest n
    left join commit_reports c on c.service_id = n.service_id and c.commit_sha = n.commit_sha
    where n.status is not null and coalesce(c.next_attempt_at <= ${at}, true)
      and (c.execution_id is distinct from n.execution_id or c.status is distinct from n.status)
    order by n.execution_id limit ${options.limit}`);
  return rows as unknown as readonly WantedReport[];
}

/** The least id that is made at this instant or later: ids begin with their time. */
function firstIdOf(at: Temporal.Instant): string {
  const hex = at.epochMilliseconds.toString(16).padStart(12, '0');
  return `${hex.slice(0, 8)}-${hex.slice(8)}-7000-8000-000000000000`;
}

/**
 * Takes one report for `leaseSeconds`, under the name that it has or gets; null where another process
 * has it, where it waits after a failure, or where this or something newer was told meanwhile.
 */
export async function claimReport(
  tx: TenantTransaction,
  now: Temporal.Instant,
  wanted: WantedReport & { readonly context: string },
  leaseSeconds: number,
): Promise<CommitReportRow | null> {
  const nextAttemptAt = now.add({ seconds: leaseSeconds });
  const { serviceId, commitSha, context, executionId, status } = wanted;
  const isOlder = or(
    isNull(commitReports.executionId),
    lt(commitReports.executionId, executionId),
    and(eq(commitReports.executionId, executionId), ne(commitReports.status, status)),
  );
  const [row] = await tx.db
    .insert(commitReports)
    .values({ serviceId, commitSha, context, organizationId: tx.organizationId, nextAttemptAt })
    .onConflictDoUpdate({
      target: [commitReports.serviceId, commitReports.commitSha],
      set: { nextAttemptAt },
      setWhere: sql`${lte(commitReports.nextAttemptAt, now)} and ${isOlder}`,
    })
    .returning();
  return row ?? null;
}

/** Saves what became of a claimed report; nothing where the claim had run out. */
export async function finishReport(
  tx: TenantTransaction,
  claimed: CommitReportRow,
  change: Partial<
    Pick<
      CommitReportRow,
      'executionId' | 'status' | 'reportedAt' | 'lastError' | 'failures' | 'nextAttemptAt'
    >
  >,
): Promise<void> {
  await tx.db
    .update(commitReports)
    .set(change)
    .where(
      and(
        eq(commitReports.organizationId, tx.organizationId),
        eq(commitReports.serviceId, claimed.serviceId),
        eq(commitReports.commitSha, claimed.commitSha),
        eq(commitReports.nextAttemptAt, claimed.nextAttemptAt),
      ),
    );
}

/** Forgets what was told, or tried to be told, before; answers how many. At most 5,000 at once. */
export async function deleteOldReports(
  tx: SystemTransaction<'worker'>,
  before: Temporal.Instant,
): Promise<number> {
  const old = sql`select c.ctid from commit_reports c where c.next_attempt_at < ${before.toString()} limit 5000`;
  const rows = await tx.db
    .delete(commitReports)
    .where(sql`ctid in (${old})`)
    .returning({ serviceId: commitReports.serviceId });
  return rows.length;
}
