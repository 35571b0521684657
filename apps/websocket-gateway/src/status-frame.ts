import type { EnvironmentStatus, Status } from '@pilotfish/contracts/http';
import { environmentStatus, serviceState, statusDetails } from '@pilotfish/domain-deploy';
import { type EnvironmentId, Fault } from '@pilotfish/kernel';
import {
  countOpenRequests,
  type ExecutionRow,
  type ExecutionServiceRow,
  type ExecutionStageRow,
  findExecutions,
  getEnvironment,
  listExecutionServices,
  listExecutionStages,
  listLastParts,
  listServicesByStage,
  listServicesEver,
  type ServiceRow,
  type TenantTransaction,
} from '@pilotfish/store';
import { shownExecutions } from './shown-executions.ts';

/** One frame of `/deployment/status`: the environment, and its stages with their services. */
export interface StatusFrame {
  readonly environment: EnvironmentStatus;
  readonly stages: StageStatuses[];
}

interface StageStatuses {
  readonly stage: {
    readonly id: string;
    readonly name: string;
    readonly description: string;
    readonly status?: ExecutionStageRow['status'];
  };
  readonly applications: Status[];
  readonly containers: Status[];
  readonly jobs: Status[];
  readonly databases: Status[];
  readonly helms: Status[];
  readonly terraforms: Status[];
}

export interface StatusSnapshot {
  readonly frame: StatusFrame;
  /** Something of it is still at work. */
  readonly moving: boolean;
}

const noOthers = () => ({ containers: [], jobs: [], databases: [], helms: [], terraforms: [] });

/** The environment as it is; throws a Fault `not_found` where it is gone. */
export async function readStatus(
  tx: TenantTransaction,
  environmentId: EnvironmentId,
): Promise<StatusSnapshot> {
  const { environment } = await getEnvironment(tx, environmentId);
  const services = await listServicesByStage(tx, environmentId);
  const parts = await listLastParts(tx, environmentId);
  const open = await countOpenRequests(tx, environmentId);
  const { lastExecutionId } = environment;
  const executions = await shownExecutions(tx, [environment]);
  const last = executions.find(({ id }) => id === lastExecutionId);
  const stageRows = await listExecutionStages(tx, last === undefined ? [] : [last.id]);
  const stages = new Map<string, { stage: StageStatuses['stage']; applications: Status[] }>();
  for (const { service, stage } of services) {
    const run = stageRows.find((row) => row.stageId === stage.id);
    const entry = stages.get(stage.id) ?? {
      stage: {
        id: stage.id,
        name: stage.name,
        description: stage.description,
        ...(run === undefined ? {} : { status: run.status }),
      },
      applications: [],
    };
    stages.set(stage.id, entry);
    const part = parts.find((one) => one.service.id === service.id)?.part ?? null;
    const requests = open.get(service.id) ?? 0;
    entry.applications.push(serviceStatus(service, service.state, part, last, requests));
  }
  return {
    frame: {
      environment: environmentStatus(
        environment,
        services.map(({ service }) => service),
        executions,
      ),
      stages: [...stages.values()].map((entry) => ({ ...entry, ...noOthers() })),
    },
    moving: open.size > 0 || (last !== undefined && last.endedAt === null),
  };
}

/** One execution of the environment, as it was or is. */
export async function readExecutionStatus(
  tx: TenantTransaction,
  environmentId: EnvironmentId,
  executionId: ExecutionRow['id'],
): Promise<StatusSnapshot> {
  const { environment } = await getEnvironment(tx, environmentId);
  const [execution] = await findExecutions(tx, [executionId]);
  if (execution === undefined || execution.environmentId !== environmentId) {
    throw new Fault('not_found', 'There is no such deployment');
  }
  const stages = await listExecutionStages(tx, [executionId]);
  const parts = await listExecutionServices(tx, [executionId]);
  const services = await listServicesEver(tx, environmentId);
  const applicationsOf = (stage: ExecutionStageRow) =>
    parts
      .filter((part) => part.stageId === stage.stageId)
      .flatMap((part) => {
        const service = services.find((one) => one.id === part.serviceId);
        if (service === undefined) return [];
        const state = serviceState(part.action, part.progress);
        return [serviceStatus(service, state, part, execution, 0)];
      });
  const present = services.filter(({ deletedAt }) => deletedAt === null);
  const shown = { ...environment, lastExecutionId: executionId };
  return {
    frame: {
      environment: environmentStatus(shown, present, [execution]),
      stages: stages.map((stage) => ({
        stage: { id: stage.stageId, name: stage.name, description: '', status: stage.status },
        applications: applicationsOf(stage),
        ...noOthers(),
      })),
    },
    moving: execution.endedAt === null,
  };
}

function serviceStatus(
  service: ServiceRow,
  state: Status['state'],
  part: ExecutionServiceRow | null,
  last: ExecutionRow | undefined,
  requests: number,
): Status {
  const executionId = part?.executionId ?? null;
  const isPart = last !== undefined && executionId === last.id;
  const deployed = service.outOfDate ? 'OUT_OF_DATE' : 'UP_TO_DATE';
  return {
    id: service.id,
    state,
    service_deployment_status: service.currentReleaseId === null ? 'NEVER_DEPLOYED' : deployed,
    ...(service.lastDeployedAt === null
      ? {}
      : { last_deployment_date: service.lastDeployedAt.toString({ smallestUnit: 'millisecond' }) }),
    is_part_last_deployment: isPart,
    ...(executionId === null ? {} : { execution_id: executionId }),
    status_details: statusDetails(part, isPart ? last.status : undefined),
    deployment_request_id: executionId,
    deployment_requests_count: requests,
  };
}
