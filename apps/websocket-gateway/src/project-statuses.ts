import type { EnvironmentStatus } from '@pilotfish/contracts/http';
import { environmentStatus } from '@pilotfish/domain-deploy';
import type { ClusterId, EnvironmentId, ProjectId } from '@pilotfish/kernel';
import {
  getCluster,
  getProject,
  listEnvironments,
  type TenantTransaction,
  tables,
} from '@pilotfish/store';
import { and, eq, inArray, isNull } from 'drizzle-orm';
import { shownExecutions } from './shown-executions.ts';

/** One frame of `/deployment/status` without an environment: all of the project. */
export interface ProjectFrame {
  readonly results: EnvironmentStatus[];
}

export interface ProjectSnapshot {
  readonly frame: ProjectFrame;
  /** Something of it is still at work. */
  readonly moving: boolean;
  readonly places: readonly {
    readonly clusterId: ClusterId;
    readonly environmentId: EnvironmentId;
  }[];
}

/** No project may have more. */
const environmentsMax = 500;

const { services } = tables;

/** The environments of a project, on one cluster where it is given; throws `not_found`. */
export async function readProjectStatuses(
  tx: TenantTransaction,
  projectId: ProjectId,
  clusterId: ClusterId | undefined,
): Promise<ProjectSnapshot> {
  await getProject(tx, projectId);
  if (clusterId !== undefined) await getCluster(tx, clusterId);
  const environments = (await listEnvironments(tx, projectId, environmentsMax))
    .map(({ environment }) => environment)
    .filter((one) => clusterId === undefined || one.clusterId === clusterId);
  const ids = environments.map(({ id }) => id);
  const executions = await shownExecutions(tx, environments);
  const present = await tx.db
    .select({
      environmentId: services.environmentId,
      currentReleaseId: services.currentReleaseId,
      outOfDate: services.outOfDate,
    })
    .from(services)
    .where(
      and(
        eq(services.organizationId, tx.organizationId),
        inArray(services.environmentId, ids),
        isNull(services.deletedAt),
      ),
    );
  const servicesOf = Map.groupBy(present, (one) => one.environmentId);
  const executionsOf = Map.groupBy(executions, (one) => one.environmentId);
  return {
    frame: {
      results: environments.map((one) =>
        environmentStatus(one, servicesOf.get(one.id) ?? [], executionsOf.get(one.id) ?? []),
      ),
    },
    moving: executions.some(({ endedAt }) => endedAt === null),
    places: environments.map((one) => ({ clusterId: one.clusterId, environmentId: one.id })),
  };
}
