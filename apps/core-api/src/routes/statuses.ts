import type { EnvironmentStatus, Status } from '@pilotfish/contracts/http';
import { environmentStatus, statusDetails } from '@pilotfish/domain-deploy';
import { type EnvironmentId, Fault, type ServiceId } from '@pilotfish/kernel';
import {
  countOpenRequests,
  type EnvironmentRow,
  type ExecutionRow,
  type ExecutionServiceRow,
  findExecutions,
  getEnvironment,
  getService,
  listExecutions,
  listLastParts,
  listServices,
  type ServiceRow,
  type TenantTransaction,
} from '@pilotfish/store';
import type { Handlers } from '../api/call.ts';
import { quotas } from '../api/quotas.ts';
import { instantText } from './wire.ts';

/** What a service did last: its part in the execution that it is shown with. */
interface LastPart {
  readonly part: ExecutionServiceRow;
  readonly execution: ExecutionRow | undefined;
}

function seconds(from: Temporal.Instant, to: Temporal.Instant): number {
  return Math.round(from.until(to).total('seconds'));
}

function serviceWire(
  service: ServiceRow,
  environment: EnvironmentRow,
  last: LastPart | undefined,
  openRequests: number,
): Status {
  const { startedAt = null, endedAt = null } = last?.part ?? {};
  const total = startedAt && endedAt ? seconds(startedAt, endedAt) : null;
  return {
    id: service.id,
    state: service.state,
    service_deployment_status:
      service.currentReleaseId === null
        ? 'NEVER_DEPLOYED'
        : service.outOfDate
          ? 'OUT_OF_DATE'
          : 'UP_TO_DATE',
    ...(service.lastDeployedAt && { last_deployment_date: instantText(service.lastDeployedAt) }),
    is_part_last_deployment:
      service.lastExecutionId !== null && service.lastExecutionId === environment.lastExecutionId,
    ...(startedAt && {
      steps: {
        total_duration_sec: total,
        total_computing_duration_sec: total ?? 0,
        details: [],
      },
    }),
    ...(service.lastExecutionId && { execution_id: service.lastExecutionId }),
    status_details: statusDetails(last?.part ?? null, last?.execution?.status),
    deployment_request_id: service.lastExecutionId,
    deployment_requests_count: openRequests,
    ...(last?.part.failure && { failure: last.part.failure }),
  };
}

/** Executions looked through for the last one that ended. */
const executionsMax = 20;

/** An environment's status inside the transaction that may just have changed it. */
export async function readEnvironmentStatus(
  tx: TenantTransaction,
  environmentId: EnvironmentId,
): Promise<EnvironmentStatus> {
  const { environment } = await getEnvironment(tx, environmentId);
  const services = await listServices(tx, environmentId, quotas.servicesPerEnvironment);
  return environmentStatus(
    environment,
    services,
    await listExecutions(tx, environmentId, executionsMax),
  );
}

/** An environment in the shape of a service's status: what the deploy operation answers. */
export function statusOfEnvironment(status: EnvironmentStatus): Status {
  return {
    id: status.id,
    state: status.state,
    service_deployment_status: status.deployment_status ?? 'NEVER_DEPLOYED',
    ...(status.last_deployment_date && { last_deployment_date: status.last_deployment_date }),
    is_part_last_deployment: true,
    ...(status.last_deployment_id && { execution_id: status.last_deployment_id }),
    status_details: { action: 'DEPLOY', status: 'QUEUED', sub_action: 'NONE' },
    deployment_request_id: status.deployment_request_id ?? null,
    deployment_requests_count: 1,
  };
}

async function readServiceStatuses(
  tx: TenantTransaction,
  environment: EnvironmentRow,
  services: readonly ServiceRow[],
): Promise<Status[]> {
  const parts = await listLastParts(tx, environment.id);
  const ids = new Set(parts.map(({ part }) => part.executionId));
  const executions = new Map((await findExecutions(tx, [...ids])).map((row) => [row.id, row]));
  const open = await countOpenRequests(tx, environment.id);
  return services.map((service) => {
    const part = parts.find((one) => one.service.id === service.id)?.part;
    const last = part && { part, execution: executions.get(part.executionId) };
    return serviceWire(service, environment, last, open.get(service.id) ?? 0);
  });
}

/** One service's status inside the transaction that may just have changed it. */
export async function readServiceStatus(
  tx: TenantTransaction,
  serviceId: ServiceId,
): Promise<Status> {
  const service = await getService(tx, serviceId);
  const { environment } = await getEnvironment(tx, service.environmentId);
  const [status] = await readServiceStatuses(tx, environment, [service]);
  if (status === undefined) throw new Fault('not_found', 'There is no such application');
  return status;
}

export const statusRoutes: Handlers<
  'getEnvironmentStatus' | 'getEnvironmentStatuses' | 'getApplicationStatus'
> = {
  async getEnvironmentStatus({ params, read }) {
    return await read((tx) => readEnvironmentStatus(tx, params.environmentId));
  },

  async getEnvironmentStatuses({ params, read }) {
    return await read(async (tx) => {
      const { environment } = await getEnvironment(tx, params.environmentId);
      const services = await listServices(tx, environment.id, quotas.servicesPerEnvironment);
      const executions = await listExecutions(tx, environment.id, executionsMax);
      return {
        environment: environmentStatus(environment, services, executions),
        applications: await readServiceStatuses(tx, environment, services),
        containers: [],
        jobs: [],
        databases: [],
        helms: [],
        terraforms: [],
        agentic_workflows: [],
      };
    });
  },

  async getApplicationStatus({ params, read }) {
    return await read((tx) => readServiceStatus(tx, params.applicationId));
  },
};
