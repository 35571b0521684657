import { type EnvironmentId, Fault, type OrganizationId, type ServiceId } from '@pilotfish/kernel';
import { and, asc, eq, inArray, isNull, sql } from 'drizzle-orm';
import { deploymentStages, environments, services } from '../schema/environments.ts';
import type { SystemTransaction, TenantTransaction } from '../transactions.ts';

export type EnvironmentRow = typeof environments.$inferSelect;
export type ServiceRow = typeof services.$inferSelect;
export type StageRow = typeof deploymentStages.$inferSelect;

/**
 * Locks one environment until the transaction ends. Generations, the queue and every execution of
 * the environment are changed under this lock only; it is taken before any lock on executions.
 *
 * @param which `or deleted`: for executions of it that are still to come to their end
 * @throws Fault `not_found` where it is not the tenant's, or deleted
 */
export async function lockEnvironment(
  tx: TenantTransaction,
  environmentId: EnvironmentId,
  which: 'living' | 'or deleted' = 'living',
): Promise<EnvironmentRow> {
  const [row] = await tx.db
    .select()
    .from(environments)
    .where(
      and(
        eq(environments.organizationId, tx.organizationId),
        eq(environments.id, environmentId),
        which === 'living' ? isNull(environments.deletedAt) : undefined,
      ),
    )
    .for('update');
  if (row === undefined) throw new Fault('not_found', 'There is no such environment');
  return row;
}

/** The environment's services that are not deleted, with their stages, in order of stage. */
export async function listServicesByStage(
  tx: TenantTransaction,
  environmentId: EnvironmentId,
): Promise<readonly { service: ServiceRow; stage: StageRow }[]> {
  return await tx.db
    .select({ service: services, stage: deploymentStages })
    .from(services)
    .innerJoin(deploymentStages, eq(deploymentStages.id, services.stageId))
    .where(
      and(
        eq(services.organizationId, tx.organizationId),
        eq(services.environmentId, environmentId),
        isNull(services.deletedAt),
      ),
    )
    .orderBy(asc(deploymentStages.position), asc(services.id));
}

/**
 * Services that follow a branch of a repository, with auto-deployment on or off. One that has a Git
 * token comes first, so that the repository is asked with it on behalf of all.
 */
export async function listServicesFollowing(
  tx: TenantTransaction,
  repositoryKeys: readonly string[],
  branch: string,
): Promise<readonly ServiceRow[]> {
  return await tx.db
    .select()
    .from(services)
    .where(
      and(
        eq(services.organizationId, tx.organizationId),
        inArray(services.repositoryKey, [...repositoryKeys]),
        eq(services.branch, branch),
        isNull(services.deletedAt),
      ),
    )
    .orderBy(sql`${services.gitTokenId} is null`, asc(services.id));
}

/** @throws Fault `not_found` where it is not the tenant's, or deleted */
export async function getService(tx: TenantTransaction, serviceId: ServiceId): Promise<ServiceRow> {
  const [row] = await tx.db
    .select()
    .from(services)
    .where(
      and(
        eq(services.organizationId, tx.organizationId),
        eq(services.id, serviceId),
        isNull(services.deletedAt),
      ),
    );
  if (row === undefined) throw new Fault('not_found', 'There is no such service');
  return row;
}

/** A branch of a repository, as a push names it. */
export interface FollowedBranch {
  readonly organizationId: OrganizationId;
  readonly repositoryKey: string;
  readonly branch: string;
}

/** Those of the branches that some service follows, across organizations. */
export async function listFollowedBranches(
  tx: SystemTransaction<'worker'>,
  branches: readonly FollowedBranch[],
): Promise<readonly FollowedBranch[]> {
  if (branches.length === 0) return [];
  return await tx.db.execute<FollowedBranch & Record<string, unknown>>(sql`
    select b.organization_id as "organizationId", b.repository_key as "repositoryKey", b.branch
    from unnest(${sql.param(branches.map((b) => b.organizationId))}::uuid[],
      ${sql.param(branches.map((b) => b.repositoryKey))}::text[],
      ${sql.param(branches.map((b) => b.branch))}::text[]) as b (organization_id, repository_key, branch)
    where exists (select from ${services} s where s.organization_id = b.organization_id
      and s.repository_key = b.repository_key and s.branch = b.branch and s.deleted_at is null)`);
}

/** Beyond so many it costs more to look for each than to read what was sent. */
const repositoriesMax = 16;

/**
 * Those of the organizations that have a service from Git, with the keys of the repositories that
 * are followed; null where these are too many to look for one by one.
 */
export async function listFollowedRepositories(
  tx: SystemTransaction<'worker'>,
  organizations: readonly OrganizationId[],
): Promise<ReadonlyMap<OrganizationId, readonly string[] | null>> {
  if (organizations.length === 0) return new Map();
  const rows = await tx.db.execute<{ id: OrganizationId; keys: string[] }>(sql`
    select o.id, array(select distinct s.repository_key from ${services} s
      where s.organization_id = o.id and s.repository_key is not null and s.deleted_at is null
      limit ${repositoriesMax + 1}) as keys
    from unnest(${sql.param(organizations)}::uuid[]) as o (id)`);
  return new Map(
    rows
      .filter(({ keys }) => keys.length > 0)
      .map(({ id, keys }) => [id, keys.length > repositoriesMax ? null : keys]),
  );
}
