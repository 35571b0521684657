import type { EnvironmentLog, ExecutionEvent, ServiceProgress } from '@pilotfish/contracts';
import { type ClusterId, type OrganizationId, unreachable } from '@pilotfish/kernel';
import type { ExecutionRow } from '@pilotfish/store';
import { formatCursor } from './cursor.ts';

/** What an event needs to become a line that a person reads. */
export interface LineContext {
  readonly organizationId: OrganizationId;
  readonly clusterId: ClusterId;
  readonly environmentId: string;
  readonly environmentName: string;
  readonly executionId: ExecutionRow['id'];
  readonly serviceNames: ReadonlyMap<string, string>;
  readonly stageNames: ReadonlyMap<string, string>;
}

/** One event as a line of the deployment's log. */
export function eventLine(event: ExecutionEvent, context: LineContext): EnvironmentLog {
  const { type, step, message, error, ...more } = describe(event, context);
  const { stageId, serviceId } = placeOf(event);
  return {
    type: type ?? 'MESSAGE',
    timestamp: uniqueTimestamp(event.at, event.sequence),
    details: {
      organization_id: context.organizationId,
      cluster_id: context.clusterId,
      execution_id: context.executionId,
      transmitter:
        serviceId === undefined
          ? { id: context.environmentId, name: context.environmentName, type: 'Environment' }
          : {
              id: serviceId,
              name: context.serviceNames.get(serviceId) ?? serviceId,
              type: 'Application',
            },
      stage: {
        step,
        id: stageId ?? null,
        name: stageId === undefined ? null : (context.stageNames.get(stageId) ?? null),
      },
    },
    error: error ?? null,
    message: message === undefined ? null : message,
    cursor: formatCursor({ series: context.executionId, sequence: event.sequence }),
    ...more,
  };
}

/** Which stage and service an event is about; neither where it is about the whole. */
function placeOf(event: ExecutionEvent): { stageId?: string; serviceId?: string } {
  switch (event.kind) {
    case 'stage_started':
    case 'stage_ended':
      return { stageId: event.stageId };
    case 'service_progressed':
      return { stageId: event.stageId, serviceId: event.serviceId };
    case 'line':
      return {
        ...(event.stageId === undefined ? {} : { stageId: event.stageId }),
        ...(event.serviceId === undefined ? {} : { serviceId: event.serviceId }),
      };
    case 'execution_started':
    case 'execution_ended':
      return {};
    default:
      return unreachable(event);
  }
}

type Description = Pick<EnvironmentLog, 'message' | 'error' | 'execution_ended'> & {
  readonly type?: string;
  readonly step: string;
};

/** The words of existing clients for the steps of a deployment. */
const steps = {
  PREPARE: 'Start',
  FETCH: 'GitClone',
  PLAN: 'LoadConfiguration',
  BUILD: 'Build',
  START: 'Deploy',
  HEALTH: 'Deploy',
  SWITCH: 'Deploy',
  STOP: 'Pause',
  DELETE: 'Delete',
} as const;

const progressWords: Record<ServiceProgress, { readonly step: string; readonly text: string }> = {
  QUEUED: { step: 'Start', text: 'waits for its turn' },
  FETCHING: { step: 'GitClone', text: 'fetches its commit' },
  BUILDING: { step: 'Build', text: 'is being built' },
  STARTING: { step: 'Deploy', text: 'starts' },
  SWITCHING: { step: 'Deploy', text: 'is healthy; traffic is switched to it' },
  STOPPING: { step: 'Pause', text: 'is being stopped' },
  DELETING: { step: 'Delete', text: 'is being deleted' },
  DEPLOYED: { step: 'Deployed', text: 'is deployed' },
  STOPPED: { step: 'Paused', text: 'is stopped' },
  DELETED: { step: 'Deleted', text: 'is deleted' },
  BUILD_FAILED: { step: 'BuildError', text: 'could not be built' },
  DEPLOY_FAILED: { step: 'DeployedError', text: 'could not be deployed' },
  STOP_FAILED: { step: 'PausedError', text: 'could not be stopped' },
  DELETE_FAILED: { step: 'DeletedError', text: 'could not be deleted' },
  CANCELED: { step: 'Cancelled', text: 'was canceled' },
  SKIPPED: { step: 'Cancelled', text: 'was skipped' },
};

function describe(event: ExecutionEvent, context: LineContext): Description {
  switch (event.kind) {
    case 'execution_started':
      return { step: 'Start', message: { safe_message: 'The deployment has started.' } };
    case 'stage_started':
      return { step: 'Start', message: { safe_message: `Stage ${event.name} has started.` } };
    case 'stage_ended':
      return { step: 'Terminated', message: { safe_message: stageEnd(event, context) } };
    case 'service_progressed':
      return describeProgress(event, context);
    case 'line':
      return describeLine(event);
    case 'execution_ended':
      return {
        step: 'Terminated',
        message: { safe_message: event.summary, full_details: `Isolation ${event.isolation}` },
        execution_ended: { execution_id: context.executionId, outcome: event.outcome },
      };
    default:
      return unreachable(event);
  }
}

function stageEnd(
  event: Extract<ExecutionEvent, { kind: 'stage_ended' }>,
  { stageNames }: LineContext,
): string {
  const words = {
    DONE: 'is done',
    ERROR: 'failed',
    CANCELED: 'was canceled',
    SKIPPED: 'was skipped',
  };
  return `Stage ${stageNames.get(event.stageId) ?? event.stageId} ${words[event.outcome]}.`;
}

function describeProgress(
  event: Extract<ExecutionEvent, { kind: 'service_progressed' }>,
  { serviceNames }: LineContext,
): Description {
  const { step, text } = progressWords[event.progress];
  const name = serviceNames.get(event.serviceId) ?? event.serviceId;
  const { explanation } = event;
  const message = { safe_message: `${name} ${text}.` };
  if (explanation === undefined) return { step, message };
  return {
    type: 'ERROR',
    step,
    message,
    error: {
      tag: explanation.cause,
      user_log_message: explanation.summary,
      hint_message: explanation.suggestion,
      underlying_error: {
        message: explanation.summary,
        full_details: explanation.lines.join('\n'),
      },
    },
  };
}

function describeLine(event: Extract<ExecutionEvent, { kind: 'line' }>): Description {
  const { text, detail } = event;
  return {
    type: event.severity === 'ERROR' ? 'ERROR' : 'MESSAGE',
    step: steps[event.step],
    message: { safe_message: text, ...(detail === undefined ? {} : { full_details: detail }) },
  };
}

/**
 * Clients take two lines with the same timestamp for one. Events of one millisecond are told apart
 * by their sequence, in the digits below the millisecond, so that the same event always has the
 * same timestamp.
 */
function uniqueTimestamp(at: string, sequence: number): string {
  const milliseconds = Temporal.Instant.from(at).toString({ fractionalSecondDigits: 3 });
  return milliseconds.replace('Z', `${String(sequence % 1_000_000).padStart(6, '0')}Z`);
}

/** Says that lines are missing; what is left follows. */
export function gapLine(
  missing: number | null,
  sequence: number,
  at: Temporal.Instant,
  context: LineContext,
): EnvironmentLog {
  const what = missing === null ? 'Earlier lines' : `${missing} lines before this one`;
  return {
    type: 'MESSAGE',
    timestamp: uniqueTimestamp(at.toString(), sequence),
    details: { execution_id: context.executionId, stage: { step: 'Start', id: null, name: null } },
    error: null,
    message: { safe_message: `${what} are no longer kept: the gap is too old to be filled.` },
    cursor: formatCursor({ series: context.executionId, sequence }),
    gap: { missing },
  };
}

/** The only line of an execution that no engine ran, or its last one where no engine said so. */
export function endLine(execution: ExecutionRow, context: LineContext): EnvironmentLog {
  const outcomes = { SUCCEEDED: 'SUCCEEDED', FAILED: 'FAILED' } as const;
  const outcome = outcomes[execution.status as keyof typeof outcomes] ?? 'CANCELED';
  const at = execution.endedAt ?? execution.queuedAt;
  const words = execution.status === 'SUPERSEDED' ? 'is part of a newer one' : 'was canceled';
  const text = execution.explanation || `The deployment ${words}.`;
  return {
    type: 'MESSAGE',
    timestamp: uniqueTimestamp(at.toString(), execution.confirmedSequence + 1),
    details: {
      organization_id: context.organizationId,
      cluster_id: context.clusterId,
      execution_id: context.executionId,
      transmitter: {
        id: context.environmentId,
        name: context.environmentName,
        type: 'Environment',
      },
      stage: { step: 'Terminated', id: null, name: null },
    },
    error: null,
    message: { safe_message: text },
    cursor: formatCursor({ series: context.executionId, sequence: 'end' }),
    execution_ended: { execution_id: context.executionId, outcome },
  };
}
