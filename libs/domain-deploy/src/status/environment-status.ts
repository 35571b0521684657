import { type EnvironmentStatus, Origin } from '@pilotfish/contracts/http';
import type { ExecutionAction } from '../queue/decide-enqueue.ts';
import { type ExecutionStatus, environmentState, type WireState } from './wire-state.ts';

/** An execution, as far as its environment's status tells of it. */
export interface StatusExecution {
  readonly id: string;
  readonly action: ExecutionAction;
  readonly status: ExecutionStatus;
  readonly clientOrigin: string;
  readonly triggeredByName: string;
  readonly startedAt: Temporal.Instant | null;
  readonly endedAt: Temporal.Instant | null;
}

/** An environment, as far as its status tells of it. */
export interface StatusEnvironment {
  readonly id: string;
  readonly state: WireState;
  /** The execution that it is shown with. */
  readonly lastExecutionId: string | null;
}

/** A service that is not deleted, as far as its environment's status tells of it. */
export interface StatusService {
  readonly currentReleaseId: string | null;
  readonly outOfDate: boolean;
}

/**
 * An environment's status in the words of the public API. `last_deployment_date` and `_state` are
 * of the last execution that ended, and tell when it did and how; the rest is of the one that the
 * environment is shown with, which may be under way.
 *
 * @param executions newest first; at least these two, where there are such
 */
export function environmentStatus(
  { id, state, lastExecutionId }: StatusEnvironment,
  services: readonly StatusService[],
  executions: readonly StatusExecution[],
): EnvironmentStatus {
  const last = executions.find((one) => one.id === lastExecutionId);
  // A superseded one was never begun.
  const ended = executions.find(({ endedAt, status }) => endedAt && status !== 'SUPERSEDED');
  return {
    id,
    state,
    last_deployment_date: ended?.endedAt?.toString({ smallestUnit: 'millisecond' }) ?? null,
    last_deployment_state: ended ? environmentState(ended.action, ended.status) : 'READY',
    last_deployment_id: last?.id ?? null,
    total_deployment_duration_in_seconds: last ? durationSeconds(last) : null,
    // An unknown word is a hard error in generated clients.
    origin: Origin.options.find((one) => one === last?.clientOrigin) ?? null,
    triggered_by: last?.triggeredByName ?? null,
    deployment_status: deploymentStatus(services),
    deployment_request_id: lastExecutionId,
    metrics: [],
  };
}

function durationSeconds({ startedAt, endedAt }: StatusExecution): number | null {
  return startedAt && endedAt ? Math.round(startedAt.until(endedAt).total('seconds')) : null;
}

function deploymentStatus(
  services: readonly StatusService[],
): NonNullable<EnvironmentStatus['deployment_status']> {
  const deployed = services.filter(({ currentReleaseId }) => currentReleaseId !== null);
  if (deployed.length === 0) return 'NEVER_DEPLOYED';
  const behind = deployed.length < services.length || deployed.some((one) => one.outOfDate);
  return behind ? 'OUT_OF_DATE' : 'UP_TO_DATE';
}
