import type {
  Commit,
  DeploymentHistoryActionStatus,
  DeploymentHistoryEnvironmentV2,
  DeploymentHistoryService,
  Origin,
  Release,
} from '@pilotfish/contracts/http';
import { environmentState, serviceState, statusDetails } from '@pilotfish/domain-deploy';
import type { ReleaseId, ServiceId } from '@pilotfish/kernel';
import {
  type ExecutionRow,
  type ExecutionServiceRow,
  type ExecutionStageRow,
  findReleases,
  getEnvironment,
  getService,
  listExecutionServices,
  listExecutionStages,
  listExecutions,
  listReleases,
  listServicesEver,
  type ReleaseRow,
  type ServiceRow,
} from '@pilotfish/store';
import type { Handlers } from '../api/call.ts';
import { cancelDeployment } from '../handlers/cancel-deployment.ts';
import { deployApplication } from '../handlers/deploy-application.ts';
import { deployEnvironment } from '../handlers/deploy-environment.ts';
import { rollbackApplication } from '../handlers/rollback-application.ts';
import { stopEnvironment } from '../handlers/stop-environment.ts';
import { instantText } from './wire.ts';

/** Releases of a service in a list. */
const releasesMax = 200;
/** Deployments in the history unless the caller wants another number. */
const pageSizeDefault = 20;

function durationText(from: Temporal.Instant | null, to: Temporal.Instant): string {
  return from === null ? 'PT0S' : from.until(to, { smallestUnit: 'millisecond' }).toString();
}

const actionStatuses: Record<ExecutionRow['status'], DeploymentHistoryActionStatus> = {
  QUEUED: 'QUEUED',
  RELEASED: 'QUEUED',
  ONGOING: 'ONGOING',
  CANCELING: 'CANCELING',
  SUCCEEDED: 'SUCCESS',
  FAILED: 'ERROR',
  CANCELED: 'CANCELED',
  SUPERSEDED: 'CANCELED',
};

/** Everything that the history of some executions is told from. */
interface HistoryRows {
  readonly now: Temporal.Instant;
  readonly services: ReadonlyMap<ServiceId, ServiceRow>;
  readonly releases: ReadonlyMap<ReleaseId, ReleaseRow>;
  readonly stages: readonly ExecutionStageRow[];
  readonly parts: readonly ExecutionServiceRow[];
}

function auditingData(execution: ExecutionRow) {
  const { queuedAt, endedAt, reportedAt, triggeredByName, clientOrigin } = execution;
  return {
    created_at: instantText(queuedAt),
    updated_at: instantText(endedAt ?? reportedAt ?? queuedAt),
    triggered_by: triggeredByName,
    origin: clientOrigin as Origin,
  };
}

function commitWire({ createdAt, commitSha, config: { commit } }: ReleaseRow): Commit {
  return {
    created_at: instantText(commit ? Temporal.Instant.from(commit.committedAt) : createdAt),
    git_commit_id: commitSha,
    tag: '',
    message: commit?.message ?? '',
    author_name: commit?.authorName ?? '',
  };
}

function serviceWire(
  execution: ExecutionRow,
  part: ExecutionServiceRow,
  rows: HistoryRows,
): DeploymentHistoryService {
  const service = rows.services.get(part.serviceId);
  const release = part.releaseId === null ? undefined : rows.releases.get(part.releaseId);
  return {
    identifier: {
      name: service?.name ?? '',
      service_id: part.serviceId,
      service_type: 'APPLICATION',
      execution_id: execution.id,
    },
    status: serviceState(part.action, part.progress),
    auditing_data: auditingData(execution),
    details: {
      commit: release ? commitWire(release) : null,
      build_pod_name: '',
    },
    status_details: statusDetails(part, execution.status),
    icon_uri: service?.iconUri ?? '',
    total_duration: durationText(part.startedAt, part.endedAt ?? rows.now),
    ...(part.failure && { failure: part.failure }),
  };
}

/** The engine's summary names only who failed; the sentences are with the services. */
function explanationOf(execution: ExecutionRow, rows: HistoryRows): string {
  const failures = rows.parts.flatMap(({ executionId, serviceId, failure }) => {
    if (executionId !== execution.id || failure === null) return [];
    // Who canceled it, and for what, the execution knows better.
    if (failure.cause === 'CANCELED' && execution.explanation !== '') return [];
    const name = rows.services.get(serviceId)?.name ?? serviceId;
    // What a program said of itself ends without a full stop.
    const summary = failure.summary.replace(/[^.!?]$/, '$&.');
    return `${name}: ${summary} ${failure.suggestion}`.trim();
  });
  if (failures.length > 0) return failures.join(' ');
  const { status, explanation } = execution;
  // Only the engine knows what it has in hand: without it nobody says that this will not be done.
  return status === 'CANCELING'
    ? `${explanation} It waits for the cluster's engine to confirm that.`
    : explanation;
}

function executionWire(execution: ExecutionRow, rows: HistoryRows): DeploymentHistoryEnvironmentV2 {
  const { id, environmentId, action, status, startedAt, endedAt } = execution;
  const explanation = explanationOf(execution, rows);
  return {
    identifier: { execution_id: id, environment_id: environmentId },
    auditing_data: auditingData(execution),
    status: environmentState(action, status),
    trigger_action: action,
    total_duration: durationText(startedAt, endedAt ?? rows.now),
    stages: rows.stages
      .filter((stage) => stage.executionId === id)
      .map((stage) => ({
        name: stage.name,
        status: stage.status,
        duration: durationText(stage.startedAt, stage.endedAt ?? rows.now),
        services: rows.parts
          .filter((part) => part.executionId === id && part.stageId === stage.stageId)
          .map((part) => serviceWire(execution, part, rows)),
      })),
    action_status: actionStatuses[status],
    ...(explanation === '' ? {} : { explanation }),
  };
}

function releaseWire(row: ReleaseRow, failure: ExecutionServiceRow['failure']): Release {
  return {
    id: row.id,
    created_at: instantText(row.createdAt),
    number: row.number,
    git_commit_id: row.commitSha,
    branch: row.branch,
    status: row.status,
    activated_at: row.activatedAt && instantText(row.activatedAt),
    deployment_request_id: row.executionId,
    commit: commitWire(row),
    ...(failure && { failure }),
  };
}

export const deploymentRoutes: Handlers<
  | 'deployEnvironment'
  | 'stopEnvironment'
  | 'cancelEnvironmentDeployment'
  | 'listEnvironmentDeploymentHistoryV2'
  | 'deployApplication'
  | 'rollbackApplication'
  | 'listApplicationReleases'
> = {
  deployEnvironment,
  stopEnvironment,
  cancelEnvironmentDeployment: cancelDeployment,
  deployApplication,
  rollbackApplication,

  async listEnvironmentDeploymentHistoryV2({ params, query, read, now }) {
    const pageSize = query.pageSize ?? pageSizeDefault;
    return await read(async (tx) => {
      const { environment } = await getEnvironment(tx, params.environmentId);
      const executions = await listExecutions(tx, environment.id, pageSize);
      const ids = executions.map(({ id }) => id);
      const parts = await listExecutionServices(tx, ids);
      const releaseIds = new Set(parts.flatMap(({ releaseId }) => releaseId ?? []));
      const services = await listServicesEver(tx, environment.id);
      const releases = await findReleases(tx, [...releaseIds]);
      const rows: HistoryRows = {
        now,
        parts,
        stages: await listExecutionStages(tx, ids),
        services: new Map(services.map((row) => [row.id, row])),
        releases: new Map(releases.map((row) => [row.id, row])),
      };
      const results = executions.map((execution) => executionWire(execution, rows));
      return { page: 1, page_size: pageSize, results };
    });
  },

  async listApplicationReleases({ params, read }) {
    return await read(async (tx) => {
      const { id } = await getService(tx, params.applicationId);
      const releases = await listReleases(tx, id, releasesMax);
      const failed = releases.filter(({ status }) => status === 'FAILED');
      const parts = await listExecutionServices(
        tx,
        failed.map(({ executionId }) => executionId),
      );
      const failures = new Map(parts.map(({ releaseId, failure }) => [releaseId, failure]));
      return { results: releases.map((row) => releaseWire(row, failures.get(row.id) ?? null)) };
    });
  },
};
