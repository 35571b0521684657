/** What the reconcilers look for across tenants. */
import type { EnvironmentId, OrganizationId, ServiceId } from '@pilotfish/kernel';
import { and, asc, eq, gte, inArray, isNotNull, isNull, lt, or, sql } from 'drizzle-orm';
import { branchHeads } from '../schema/deliveries.ts';
import { environments, services } from '../schema/environments.ts';
import { executionServices, executions, outbox } from '../schema/executions.ts';
import { clusters } from '../schema/fleet.ts';
import type { SystemTransaction } from '../transactions.ts';
import { type ExecutionRow, handedOutStatuses } from './executions.ts';

/** Rows per look; the rest is found by the next one. */
const rowsMax = 500;

/**
 * Executions that were published and of which no engine has said a word since `publishedBefore`, or
 * whose lease belongs to an engine that lost it.
 */
export async function listUnreported(
  tx: SystemTransaction<'worker'>,
  publishedBefore: Temporal.Instant,
): Promise<readonly ExecutionRow[]> {
  const rows = await tx.db
    .select({ execution: executions })
    .from(executions)
    .innerJoin(clusters, eq(clusters.id, executions.clusterId))
    .where(
      and(
        inArray(executions.status, [...handedOutStatuses]),
        or(
          and(isNull(executions.reportedAt), lt(executions.publishedAt, publishedBefore)),
          and(sql`${executions.publishedAt} is not null`, lt(executions.lease, clusters.lease)),
        ),
      ),
    )
    .orderBy(asc(executions.publishedAt))
    .limit(rowsMax);
  return rows.map((row) => row.execution);
}

/** Executions of a cluster that were published before, whether an engine reported or not. */
export async function listPublished(
  tx: SystemTransaction<'worker'>,
  clusterId: ExecutionRow['clusterId'],
  publishedBefore: Temporal.Instant,
): Promise<readonly ExecutionRow[]> {
  return await tx.db
    .select()
    .from(executions)
    .where(
      and(
        eq(executions.clusterId, clusterId),
        inArray(executions.status, [...handedOutStatuses]),
        lt(executions.publishedAt, publishedBefore),
      ),
    )
    .limit(rowsMax);
}

/** Executions that an engine is to stop: of one cluster, or of all. */
export async function listCanceling(
  tx: SystemTransaction<'worker'>,
  clusterId?: ExecutionRow['clusterId'],
): Promise<readonly ExecutionRow[]> {
  const isOfCluster = clusterId === undefined ? undefined : eq(executions.clusterId, clusterId);
  return await tx.db
    .select()
    .from(executions)
    .where(and(eq(executions.status, 'CANCELING'), isOfCluster))
    .orderBy(asc(executions.cancelRequestedAt))
    .limit(rowsMax);
}

/**
 * Environments whose queue stands still: something waits and nothing is handed out, or what is
 * handed out was neither published nor is in the outbox.
 */
export async function listStuckEnvironments(
  tx: SystemTransaction<'worker'>,
): Promise<readonly { readonly id: EnvironmentId; readonly organizationId: OrganizationId }[]> {
  const handedOut = sql`('RELEASED', 'ONGOING', 'CANCELING')`;
  // From the open executions, which are few, not from the environments, which are many.
  const stuck = sql`(
    select q.environment_id from executions q where q.status = 'QUEUED' and not exists (
      select 1 from executions h where h.environment_id = q.environment_id and h.status in ${handedOut})
    union
    select u.environment_id from executions u
    where u.status in ${handedOut} and u.published_at is null
      and not exists (select 1 from ${outbox} o where o.execution_id = u.id))`;
  return await tx.db
    .select({ id: environments.id, organizationId: environments.organizationId })
    .from(environments)
    .where(and(isNull(environments.deletedAt), sql`${environments.id} in ${stuck}`))
    .limit(rowsMax);
}

/** A service that was to be deleted, is not, and whose branch moved in between. */
export interface MissedPush {
  readonly organizationId: OrganizationId;
  readonly environmentId: EnvironmentId;
  readonly serviceId: ServiceId;
  /** The head of its branch that was handled while it was to be deleted. */
  readonly headSha: string;
}

/** Pushes that started nothing, because a deletion stood against them that was canceled since. */
export async function listMissedPushes(
  tx: SystemTransaction<'worker'>,
): Promise<readonly MissedPush[]> {
  return await tx.db
    .select({
      organizationId: services.organizationId,
      environmentId: services.environmentId,
      serviceId: services.id,
      headSha: sql<string>`${branchHeads.handledSha}`,
    })
    .from(services)
    .innerJoin(environments, eq(environments.id, services.environmentId))
    .innerJoin(executions, eq(executions.id, services.lastExecutionId))
    .innerJoin(
      executionServices,
      and(
        eq(executionServices.executionId, executions.id),
        eq(executionServices.serviceId, services.id),
      ),
    )
    .innerJoin(
      branchHeads,
      and(
        eq(branchHeads.organizationId, services.organizationId),
        eq(branchHeads.repositoryKey, services.repositoryKey),
        eq(branchHeads.branch, services.branch),
      ),
    )
    .where(
      and(
        isNull(environments.deletedAt),
        isNull(services.deletedAt),
        eq(services.autoDeploy, true),
        eq(services.state, 'CANCELED'),
        eq(executionServices.action, 'DELETE'),
        gte(branchHeads.handledAt, executions.queuedAt),
        sql`${branchHeads.handledSha} is distinct from ${services.lastRequestedSha}`,
        isNotNull(branchHeads.handledSha),
      ),
    )
    .limit(rowsMax);
}
