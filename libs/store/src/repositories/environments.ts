import { type EnvironmentId, Fault, type ServiceId } from '@pilotfish/kernel';
import { and, asc, eq, inArray, isNull, sql } from 'drizzle-orm';
import { deploymentStages, environments, services } from '../schema/environments.ts';
import type { TenantTransaction } from '../transactions.ts';

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
