import type { Environment } from '@pilotfish/contracts/http';
import { type ClusterId, Fault } from '@pilotfish/kernel';
import {
  appendAudit,
  type ClusterRow,
  countEnvironments,
  defaultCluster,
  type EnvironmentOnCluster,
  getCluster,
  getEnvironment,
  getProject,
  insertEnvironment,
  listEnvironments,
  lockProject,
  type TenantTransaction,
  updateEnvironment,
} from '@pilotfish/store';
import type { Handlers } from '../api/call.ts';
import { assertBelow, quotas } from '../api/quotas.ts';
import { deleteEnvironment } from '../handlers/delete-environment.ts';
import { defined, instantText, timesOf } from './wire.ts';

function environmentWire({ environment, cluster }: EnvironmentOnCluster): Environment {
  return {
    id: environment.id,
    ...timesOf(environment),
    name: environment.name,
    organization: { id: environment.organizationId },
    project: { id: environment.projectId },
    ...(environment.lastUpdatedBy && { last_updated_by: environment.lastUpdatedBy }),
    cloud_provider: { provider: cluster.cloudProvider, cluster: cluster.region },
    mode: environment.mode,
    cluster_id: cluster.id,
    cluster_name: cluster.name,
    expires_at: environment.expiresAt && instantText(environment.expiresAt),
  };
}

async function chooseCluster(
  tx: TenantTransaction,
  clusterId: string | undefined,
): Promise<ClusterRow> {
  if (clusterId !== undefined) return await getCluster(tx, clusterId as ClusterId);
  const cluster = await defaultCluster(tx);
  if (cluster === null) throw new Fault('conflict', 'The organization has no cluster yet');
  return cluster;
}

export const environmentRoutes: Handlers<
  | 'listEnvironment'
  | 'createEnvironment'
  | 'getEnvironment'
  | 'editEnvironment'
  | 'deleteEnvironment'
  | 'getEnvironmentQueuePolicy'
  | 'editEnvironmentQueuePolicy'
> = {
  async listEnvironment({ params, read }) {
    const rows = await read(async (tx) => {
      const { id } = await getProject(tx, params.projectId);
      return await listEnvironments(tx, id, quotas.environmentsPerProject);
    });
    return { results: rows.map(environmentWire) };
  },

  async createEnvironment({ params, body, write, now }) {
    return await write(async (tx) => {
      const project = await lockProject(tx, params.projectId);
      assertBelow('environmentsPerProject', await countEnvironments(tx, project.id));
      const cluster = await chooseCluster(tx, body.cluster);
      const environment = await insertEnvironment(tx, now, {
        projectId: project.id,
        clusterId: cluster.id,
        name: body.name,
        mode: body.mode ?? 'DEVELOPMENT',
      });
      await appendAudit(tx, now, {
        action: 'environment.created',
        targetKind: 'environment',
        targetId: environment.id,
        detail: { name: environment.name, clusterId: cluster.id },
      });
      return environmentWire({ environment, cluster });
    });
  },

  async getEnvironment({ params, read }) {
    return environmentWire(await read((tx) => getEnvironment(tx, params.environmentId)));
  },

  async editEnvironment({ params, body, write, now }) {
    return await write(async (tx) => {
      await updateEnvironment(tx, now, params.environmentId, defined(body));
      await appendAudit(tx, now, {
        action: 'environment.edited',
        targetKind: 'environment',
        targetId: params.environmentId,
        detail: { ...body },
      });
      return environmentWire(await getEnvironment(tx, params.environmentId));
    });
  },

  deleteEnvironment,

  async getEnvironmentQueuePolicy({ params, read }) {
    const { environment } = await read((tx) => getEnvironment(tx, params.environmentId));
    return { policy: environment.queuePolicy };
  },

  async editEnvironmentQueuePolicy({ params, body, write, now }) {
    return await write(async (tx) => {
      await updateEnvironment(tx, now, params.environmentId, { queuePolicy: body.policy });
      await appendAudit(tx, now, {
        action: 'environment.queue_policy_edited',
        targetKind: 'environment',
        targetId: params.environmentId,
        detail: { policy: body.policy },
      });
      return { policy: body.policy };
    });
  },
};
