import {
  type ClusterId,
  type EnvironmentId,
  Fault,
  newId,
  type ProjectId,
  type StageId,
} from '@pilotfish/kernel';
import { and, asc, desc, eq, isNull, sql } from 'drizzle-orm';
import { deploymentStages, environments } from '../schema/environments.ts';
import { clusters } from '../schema/fleet.ts';
import type { TenantTransaction } from '../transactions.ts';
import type { EnvironmentRow, StageRow } from './environments.ts';
import type { ClusterRow } from './fleet.ts';

/** An environment with the cluster that it lives on. */
export interface EnvironmentOnCluster {
  readonly environment: EnvironmentRow;
  readonly cluster: ClusterRow;
}

const alive = (tx: TenantTransaction) =>
  and(eq(environments.organizationId, tx.organizationId), isNull(environments.deletedAt));

/** @throws Fault `not_found` where it is not the tenant's, or deleted */
export async function getEnvironment(
  tx: TenantTransaction,
  id: EnvironmentId,
): Promise<EnvironmentOnCluster> {
  const [row] = await tx.db
    .select({ environment: environments, cluster: clusters })
    .from(environments)
    .innerJoin(clusters, eq(clusters.id, environments.clusterId))
    .where(and(alive(tx), eq(environments.id, id)));
  if (row === undefined) throw new Fault('not_found', 'There is no such environment');
  return row;
}

/** Oldest first. */
export async function listEnvironments(
  tx: TenantTransaction,
  projectId: ProjectId,
  limit: number,
): Promise<readonly EnvironmentOnCluster[]> {
  return await tx.db
    .select({ environment: environments, cluster: clusters })
    .from(environments)
    .innerJoin(clusters, eq(clusters.id, environments.clusterId))
    .where(and(alive(tx), eq(environments.projectId, projectId)))
    .orderBy(asc(environments.id))
    .limit(limit);
}

export async function countEnvironments(
  tx: TenantTransaction,
  projectId: ProjectId,
): Promise<number> {
  return await tx.db.$count(environments, and(alive(tx), eq(environments.projectId, projectId)));
}

export interface NewEnvironment {
  readonly projectId: ProjectId;
  readonly clusterId: ClusterId;
  readonly name: string;
  readonly mode: EnvironmentRow['mode'];
}

/** The stages that every environment begins with, in their order. */
const firstStages = ['DATABASE DEFAULT', 'JOB DEFAULT', 'CONTAINER DEFAULT', 'APPLICATION DEFAULT'];

/** Saves an environment with its first stages. */
export async function insertEnvironment(
  tx: TenantTransaction,
  now: Temporal.Instant,
  environment: NewEnvironment,
): Promise<EnvironmentRow> {
  const { organizationId } = tx;
  const times = { createdAt: now, updatedAt: now };
  const [row] = await tx.db
    .insert(environments)
    .values({
      ...environment,
      ...times,
      id: newId<EnvironmentId>(),
      organizationId,
      lastUpdatedBy: tx.context.actor.principalId,
    })
    .returning();
  if (row === undefined) throw new Fault('internal', 'The environment was not saved');
  await tx.db.insert(deploymentStages).values(
    firstStages.map((name, position) => ({
      ...times,
      id: newId<StageId>(),
      organizationId,
      environmentId: row.id,
      name,
      position,
    })),
  );
  return row;
}

type EnvironmentChange = Partial<
  Pick<EnvironmentRow, 'name' | 'mode' | 'queuePolicy' | 'deletedAt'>
>;

/** @throws Fault `not_found` where it is not the tenant's, or deleted */
export async function updateEnvironment(
  tx: TenantTransaction,
  now: Temporal.Instant,
  id: EnvironmentId,
  change: EnvironmentChange,
): Promise<void> {
  const changed = await tx.db
    .update(environments)
    .set({
      ...change,
      updatedAt: now,
      lastUpdatedBy: tx.context.actor.principalId,
      version: sql`${environments.version} + 1`,
    })
    .where(and(alive(tx), eq(environments.id, id)))
    .returning({ id: environments.id });
  if (changed.length === 0) throw new Fault('not_found', 'There is no such environment');
}

/** The stage that a new service of a kind joins: the last one, where applications go. */
export async function lastStage(
  tx: TenantTransaction,
  environmentId: EnvironmentId,
): Promise<StageRow> {
  const [row] = await tx.db
    .select()
    .from(deploymentStages)
    .where(
      and(
        eq(deploymentStages.organizationId, tx.organizationId),
        eq(deploymentStages.environmentId, environmentId),
      ),
    )
    .orderBy(desc(deploymentStages.position))
    .limit(1);
  if (row === undefined) throw new Fault('internal', 'The environment has no stages');
  return row;
}

/** The cluster that new environments go to; null where the organization has none. */
export async function defaultCluster(tx: TenantTransaction): Promise<ClusterRow | null> {
  const [row] = await tx.db
    .select()
    .from(clusters)
    .where(eq(clusters.organizationId, tx.organizationId))
    .orderBy(desc(clusters.isDefault), asc(clusters.id))
    .limit(1);
  return row ?? null;
}
