import type { ControlRequest, EnvironmentTask, ServiceTask, TaskStage } from '@pilotfish/contracts';
import {
  type ClusterId,
  type EnvironmentId,
  type ExecutionId,
  newId,
  type OrganizationId,
  type ProjectId,
  type ReleaseId,
  type ServiceId,
  type StageId,
} from '@pilotfish/kernel';
import { rowOf as rowOfIssue } from '../src/intake/row-of.ts';
import type { ExecutionRow } from '../src/journal/change.ts';

/** A service to deploy; `fake` steers the fake target (`FAKE_…` variables). */
export function serviceTask(
  change: Partial<ServiceTask> = {},
  fake: Record<string, string> = {},
): ServiceTask {
  const release: ServiceTask['release'] = {
    releaseId: newId<ReleaseId>(),
    source: {
      repositoryUrl: 'http://127.0.0.1/r.git',
      branch: 'main',
      commitSha: 'a'.repeat(40),
      rootPath: '/',
    },
    variables: fake,
    secrets: {},
    ports: [],
    command: [],
    readiness: null,
    liveness: null,
    instances: 1,
    buildSecondsMax: 600,
    memoryMebibytes: 512,
  };
  const action = change.action ?? 'DEPLOY';
  return {
    serviceId: newId<ServiceId>(),
    name: 'web',
    kind: 'APPLICATION',
    action,
    host: 'web.localhost',
    release: action === 'DEPLOY' || action === 'RESTART' ? release : null,
    ...change,
  };
}

export function stageOf(...services: ServiceTask[]): TaskStage {
  return { stageId: newId<StageId>(), name: 'stage', services };
}

export function environmentTask(
  stages: TaskStage[],
  change: Partial<EnvironmentTask> = {},
): EnvironmentTask {
  return {
    v: 1,
    id: newId(),
    epoch: 1,
    generation: 1,
    lease: 1,
    attempt: 1,
    kind: 'environment',
    organizationId: newId<OrganizationId>(),
    projectId: newId<ProjectId>(),
    clusterId: newId<ClusterId>(),
    environmentId: newId<EnvironmentId>(),
    executionId: newId<ExecutionId>(),
    action: 'DEPLOY',
    sequenceFloor: 0,
    requestedAt: '2026-11-20T00:00:00.000Z',
    stages,
    ...change,
  };
}

/** The row with which a task enters the journal. */
export function rowOf(task: EnvironmentTask): ExecutionRow {
  return rowOfIssue(task, task);
}

/** As core-api asks an engine to cancel. */
export function cancelOf(
  task: EnvironmentTask,
  force = false,
): Extract<ControlRequest, { kind: 'cancel' }> {
  const { executionId, organizationId, projectId, environmentId, sequenceFloor } = task;
  const { v, id, epoch, generation, lease, attempt } = task;
  const issue = {
    ...{ v, id, epoch, generation, lease, attempt },
    ...{ organizationId, projectId, environmentId, sequenceFloor },
  };
  return { kind: 'cancel', executionId, force, issue };
}
