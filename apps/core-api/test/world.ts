import { randomUUIDv7 } from 'node:crypto';
import type { ApplicationSpec } from '@pilotfish/contracts';
import { hashToken, newSealingKeyPair } from '@pilotfish/crypto';
import { type QueuePolicy, repositoryKey } from '@pilotfish/domain-deploy';
import {
  type ClusterId,
  type EngineId,
  type EnvironmentId,
  newId,
  type OrganizationId,
  type PrincipalId,
  type ProjectId,
  type ServiceId,
  type StageId,
  systemClock,
} from '@pilotfish/kernel';
import { type Store, type TenantContext, tables } from '@pilotfish/store';
import { enqueueExecution } from '../src/handlers/enqueue-execution.ts';

/** One organization with a cluster, an engine and an environment of some applications. */
export interface World {
  readonly context: TenantContext;
  readonly projectId: ProjectId;
  readonly clusterId: ClusterId;
  readonly environmentId: EnvironmentId;
  readonly engineId: EngineId;
  readonly sealing: ReturnType<typeof newSealingKeyPair>;
  readonly serviceIds: readonly ServiceId[];
}

export interface WorldOptions {
  readonly services?: number;
  readonly queuePolicy?: QueuePolicy;
  readonly repositoryUrl?: string;
  readonly branch?: string;
}

/** Requests, as a push of commit `n` would, that all of the world's services are deployed. */
export async function deployWorld(store: Store, world: World, n: number) {
  const outcome = await store.tenant(world.context, (tx) =>
    enqueueExecution(tx, systemClock.now(), {
      environmentId: world.environmentId,
      action: 'DEPLOY',
      services: world.serviceIds.map((serviceId) => ({ serviceId, commitSha: sha(n) })),
      origin: 'GIT',
      clientOrigin: 'GIT',
    }),
  );
  if (outcome.kind === 'refused') throw new Error(outcome.reason);
  return outcome;
}

export const sha = (n: number) => n.toString(16).padStart(40, '0');

function applicationSpec(url: string, branch: string): ApplicationSpec {
  return {
    kind: 'APPLICATION',
    git: { provider: 'GENERIC', url, branch, rootPath: '/' },
    autoDeploy: true,
    autoPreview: false,
    pathFilters: [],
    ports: [],
    command: [],
    readiness: null,
    liveness: null,
    instancesMin: 1,
    instancesMax: 1,
    cpuMillicores: 100,
    memoryMebibytes: 128,
    buildSecondsMax: 60,
  };
}

export async function newWorld(store: Store, options: WorldOptions = {}): Promise<World> {
  const now = systemClock.now();
  const edited = { createdAt: now, updatedAt: now };
  const organizationId = newId<OrganizationId>();
  const context = {
    organizationId,
    actor: { principalId: newId<PrincipalId>(), kind: 'user', name: 'Ada' },
  } as const;
  const ids = {
    projectId: newId<ProjectId>(),
    clusterId: newId<ClusterId>(),
    environmentId: newId<EnvironmentId>(),
    engineId: newId<EngineId>(),
  };
  const sealing = newSealingKeyPair();
  const stageId = newId<StageId>();
  const url = options.repositoryUrl ?? 'https://git.example/acme/shop.git';
  const branch = options.branch ?? 'main';
  const serviceIds = Array.from({ length: options.services ?? 1 }, () => newId<ServiceId>());
  await store.tenant(context, async ({ db }) => {
    await db.insert(tables.organizations).values({ id: organizationId, name: 'acme', ...edited });
    await db
      .insert(tables.projects)
      .values({ id: ids.projectId, organizationId, name: 'shop', ...edited });
    await db
      .insert(tables.clusters)
      .values({ id: ids.clusterId, organizationId, name: 'here', lease: 1, ...edited });
    await db.insert(tables.engines).values({
      id: ids.engineId,
      organizationId,
      clusterId: ids.clusterId,
      principalId: newId<PrincipalId>(),
      identityPublicKey: `U${randomUUIDv7()}`,
      sealingPublicKey: sealing.publicKey,
      lease: 1,
      enrolledAt: now,
    });
    await db.insert(tables.environments).values({
      id: ids.environmentId,
      organizationId,
      projectId: ids.projectId,
      clusterId: ids.clusterId,
      name: 'production',
      mode: 'PRODUCTION',
      queuePolicy: options.queuePolicy ?? 'queue',
      ...edited,
    });
    await db.insert(tables.deploymentStages).values({
      id: stageId,
      organizationId,
      environmentId: ids.environmentId,
      name: 'default',
      position: 1,
      ...edited,
    });
    await db.insert(tables.services).values(
      serviceIds.map((id, n) => ({
        id,
        organizationId,
        environmentId: ids.environmentId,
        stageId,
        kind: 'APPLICATION' as const,
        name: `app-${n}`,
        spec: applicationSpec(url, branch),
        repositoryKey: repositoryKey(url),
        branch,
        autoDeploy: true,
        host: `app-${n}-${hashToken(id).slice(0, 8)}.localhost`,
        ...edited,
      })),
    );
  });
  return { context, ...ids, sealing, serviceIds };
}
