import type { CommitInfo } from '@pilotfish/contracts';
import type { ExecutionAction, ExecutionOrigin } from '@pilotfish/domain-deploy';
import { type ExecutionId, Fault, newId, type ReleaseId, type ServiceId } from '@pilotfish/kernel';
import {
  type EnvironmentRow,
  findReleaseOfCommit,
  getRelease,
  insertRelease,
  listVisibleVariables,
  type ReleaseRow,
  type ServiceRow,
  type StageRow,
  type TenantTransaction,
} from '@pilotfish/store';
import { snapshotRelease } from './snapshot-release.ts';

/** One service's part in a new execution. */
export interface ExecutionPart {
  readonly serviceId: ServiceId;
  readonly stage: StageRow;
  readonly action: ExecutionAction;
  readonly releaseId: ReleaseId | null;
  readonly commitSha: string | null;
  /** The commit that counts as asked for from now on; null: as before. */
  readonly requestedSha: string | null;
}

interface Choice {
  readonly environment: EnvironmentRow;
  readonly execution: { readonly id: ExecutionId; readonly origin: ExecutionOrigin };
  readonly service: ServiceRow;
  readonly stage: StageRow;
  readonly asked: {
    readonly action: ExecutionAction;
    readonly commitSha?: string;
    readonly commit?: CommitInfo;
    readonly releaseId?: ReleaseId;
  };
  readonly now: Temporal.Instant;
}

/**
 * Which release an execution is to run for a service, making it where none exists: a deployment of
 * a commit gets today's configuration, a restart the content of the current release under a new
 * number, a rollback the release as it was.
 */
export async function choosePart(tx: TenantTransaction, choice: Choice): Promise<ExecutionPart> {
  const { service, stage, asked } = choice;
  const part = { serviceId: service.id, stage, action: asked.action };
  if (asked.action === 'STOP' || asked.action === 'DELETE') {
    return { ...part, releaseId: null, commitSha: null, requestedSha: null };
  }
  if (asked.releaseId !== undefined) {
    const { id, commitSha } = await getRelease(tx, service.id, asked.releaseId);
    return { ...part, releaseId: id, commitSha, requestedSha: null };
  }
  // Going back by hand to what ran before does not invite a repeated push to undo it.
  const isForward =
    choice.execution.origin === 'GIT' ||
    (asked.commitSha !== undefined &&
      (await findReleaseOfCommit(tx, service.id, asked.commitSha)) === null);
  const { id, commitSha } = await newRelease(tx, choice);
  return { ...part, releaseId: id, commitSha, requestedSha: isForward ? commitSha : null };
}

async function newRelease(
  tx: TenantTransaction,
  { environment, execution, service, asked, now }: Choice,
): Promise<ReleaseRow> {
  const current =
    service.currentReleaseId === null
      ? null
      : await getRelease(tx, service.id, service.currentReleaseId);
  const head = {
    id: newId<ReleaseId>(),
    environmentId: environment.id,
    serviceId: service.id,
    executionId: execution.id,
    status: 'PENDING' as const,
    createdAt: now,
  };
  if (asked.action === 'RESTART') {
    if (current === null) {
      throw new Fault(
        'conflict',
        `${service.name} was never deployed: there is nothing to restart`,
      );
    }
    const { commitSha, branch, config } = current;
    return await insertRelease(tx, { ...head, commitSha, branch, config });
  }
  const commitSha = asked.commitSha ?? current?.commitSha ?? service.lastRequestedSha;
  if (commitSha === null) {
    throw new Fault('conflict', `It is not known which commit of ${service.name} to deploy`);
  }
  const visible = await listVisibleVariables(tx, {
    projectId: environment.projectId,
    environmentId: environment.id,
  });
  const snapshot = snapshotRelease(environment, service, commitSha, visible(service.id));
  const commit =
    asked.commit ?? (await findReleaseOfCommit(tx, service.id, commitSha))?.config.commit;
  const config = { ...snapshot, ...(commit && { commit }) };
  return await insertRelease(tx, { ...head, commitSha, branch: service.branch ?? '', config });
}
