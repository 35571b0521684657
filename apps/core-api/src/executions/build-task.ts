import { envelope, taskMessageId } from '@pilotfish/bus';
import type { EnvironmentTask, Sealed, ServiceRelease, ServiceTask } from '@pilotfish/contracts';
import { decryptValue, type KeyEncryption, type SealBinding, sealTo } from '@pilotfish/crypto';
import { assert, Fault } from '@pilotfish/kernel';
import {
  type EngineRow,
  type ExecutionRow,
  listExecutionServices,
  listExecutionStages,
  loadCiphertexts,
  type ReleaseRow,
  type TenantTransaction,
  tables,
} from '@pilotfish/store';
import { and, eq, inArray } from 'drizzle-orm';
import type { Source, SourceAccess } from './source-access.ts';

export interface BuildTaskDeps {
  readonly keys: KeyEncryption;
  /** A short-lived read access for one repository, for the engine to use. */
  readonly sourceAccess: (
    tx: TenantTransaction,
    source: Source,
    /** For whom, as the git-server's log will say. */
    principal: string,
  ) => Promise<SourceAccess | undefined>;
}

/**
 * The self-contained message of one execution: exactly the secret versions that its releases name,
 * opened here and sealed to the one engine that may read them. They exist in plain text only inside
 * this call.
 */
export async function buildTask(
  tx: TenantTransaction,
  deps: BuildTaskDeps,
  execution: ExecutionRow,
  engine: EngineRow,
  epoch: number,
): Promise<EnvironmentTask> {
  const stages = await listExecutionStages(tx, [execution.id]);
  const parts = await listExecutionServices(tx, [execution.id]);
  const services = await loadServices(
    tx,
    parts.map((part) => part.serviceId),
  );
  const releases = await loadReleases(
    tx,
    parts.flatMap((part) => part.releaseId ?? []),
  );
  const tasks = new Map<string, ServiceTask[]>();
  for (const part of parts) {
    const service = services.get(part.serviceId);
    assert(service !== undefined, 'a part of an execution has its service');
    const row = part.releaseId === null ? undefined : releases.get(part.releaseId);
    const task: ServiceTask = {
      serviceId: part.serviceId,
      name: service.name,
      kind: service.kind,
      action: part.action,
      host: service.host,
      release: row === undefined ? null : await sealRelease(tx, deps, execution, engine, row),
    };
    tasks.set(part.stageId, [...(tasks.get(part.stageId) ?? []), task]);
  }
  return {
    ...envelope({
      id: taskMessageId(execution.id, execution.attempt),
      epoch,
      generation: execution.generation,
      lease: execution.lease,
      attempt: execution.attempt,
      trace: execution.trace ?? undefined,
    }),
    kind: 'environment',
    organizationId: execution.organizationId,
    projectId: execution.projectId,
    clusterId: execution.clusterId,
    environmentId: execution.environmentId,
    executionId: execution.id,
    action: execution.action,
    sequenceFloor: execution.confirmedSequence,
    requestedAt: execution.queuedAt.toString(),
    ...(execution.confirmedEpoch === epoch ? { deletionConfirmed: true } : {}),
    stages: stages.map(({ stageId, name }) => ({
      stageId,
      name,
      services: tasks.get(stageId) ?? [],
    })),
  };
}

async function sealRelease(
  tx: TenantTransaction,
  deps: BuildTaskDeps,
  execution: ExecutionRow,
  engine: EngineRow,
  release: ReleaseRow,
): Promise<ServiceRelease> {
  const { config } = release;
  const seal = (field: SealBinding['field'], plaintext: string) =>
    sealTo(engine.sealingPublicKey, plaintext, {
      executionId: execution.id,
      serviceId: release.serviceId,
      field,
    });
  const access = await deps.sourceAccess(tx, config.git, `engine:${engine.id}`);
  return {
    releaseId: release.id,
    source: {
      repositoryUrl: config.git.url,
      branch: release.branch,
      commitSha: release.commitSha,
      rootPath: config.git.rootPath,
      ...(access === undefined
        ? {}
        : {
            username: access.username,
            password: await seal('source.password', access.password),
          }),
    },
    variables: config.variables,
    secrets: await sealSecrets(tx, deps, release, seal),
    ports: config.ports,
    command: config.command,
    readiness: config.readiness,
    liveness: config.liveness,
    instances: config.instances,
    buildSecondsMax: config.buildSecondsMax,
    memoryMebibytes: config.memoryMebibytes,
  };
}

async function sealSecrets(
  tx: TenantTransaction,
  deps: BuildTaskDeps,
  { config }: ReleaseRow,
  seal: (field: string, plaintext: string) => Promise<Sealed>,
): Promise<Record<string, Sealed>> {
  const ciphertexts = await loadCiphertexts(tx, Object.values(config.secrets));
  const sealed: Record<string, Sealed> = {};
  for (const [name, { variableId, version }] of Object.entries(config.secrets)) {
    const ciphertext = ciphertexts.get(`${variableId}/${version}`);
    if (ciphertext === undefined) {
      throw new Fault(
        'conflict',
        `Version ${version} of the secret ${name} is not stored any more`,
      );
    }
    const value = await decryptValue(deps.keys, ciphertext, {
      organizationId: tx.organizationId,
      row: `variables/${variableId}`,
      version,
    });
    sealed[name] = await seal(`secrets.${name}`, value);
  }
  return sealed;
}

async function loadServices(tx: TenantTransaction, ids: readonly ServiceTask['serviceId'][]) {
  const rows =
    ids.length === 0
      ? []
      : await tx.db
          .select()
          .from(tables.services)
          .where(
            and(
              eq(tables.services.organizationId, tx.organizationId),
              inArray(tables.services.id, [...ids]),
            ),
          );
  return new Map(rows.map((row) => [row.id, row]));
}

async function loadReleases(tx: TenantTransaction, ids: readonly ReleaseRow['id'][]) {
  const rows =
    ids.length === 0
      ? []
      : await tx.db
          .select()
          .from(tables.releases)
          .where(
            and(
              eq(tables.releases.organizationId, tx.organizationId),
              inArray(tables.releases.id, [...ids]),
            ),
          );
  return new Map(rows.map((row) => [row.id, row]));
}
