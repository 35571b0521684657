/** What the journal and the target say about where a service is. Pure. */
import type { Explanation, ServiceProgress, ServiceTask, TaskStage } from '@pilotfish/contracts';
import { type ObservedService, planService, type StepName } from '@pilotfish/domain-deploy';
import { unreachable } from '@pilotfish/kernel';
import type { EventBody } from './event-body.ts';
import { type Execution, stepOf } from './execution.ts';

/** What one service came to. */
export type ServiceResult = 'done' | 'failed' | 'canceled' | 'skipped';

const results: Partial<Record<ServiceProgress, ServiceResult>> = {
  DEPLOYED: 'done',
  STOPPED: 'done',
  DELETED: 'done',
  BUILD_FAILED: 'failed',
  DEPLOY_FAILED: 'failed',
  STOP_FAILED: 'failed',
  DELETE_FAILED: 'failed',
  CANCELED: 'canceled',
  SKIPPED: 'skipped',
};

/** Undefined while the service has not come to an end in this execution. */
export function resultOf(execution: Execution, service: ServiceTask): ServiceResult | undefined {
  const progress = lastProgress(execution, service);
  return progress === undefined ? undefined : results[progress];
}

export function lastProgress(
  execution: Execution,
  { serviceId }: ServiceTask,
): ServiceProgress | undefined {
  const last = execution.milestones.findLast(
    (event) => event.kind === 'service_progressed' && event.serviceId === serviceId,
  );
  return last?.kind === 'service_progressed' ? last.progress : undefined;
}

/**
 * The plan from what is observed, without what the journal has as done: those effects happened
 * before a restart and are not repeated.
 */
export function remainingSteps(
  execution: Execution,
  service: ServiceTask,
  observed: ObservedService | undefined,
): readonly StepName[] {
  const ended = resultOf(execution, service) === 'done';
  return planService(service, observed).filter((name) => {
    const state = stepOf(execution, service.serviceId, name)?.state;
    switch (name) {
      case 'retire':
        return state !== 'done' && state !== 'failed';
      case 'start': {
        // A candidate that is gone is started again, whatever the journal says.
        const releaseId = service.release?.releaseId;
        const runs = observed?.runningReleaseIds.some((running) => running === releaseId) ?? false;
        return !ended && !(state === 'done' && runs);
      }
      case 'build':
      case 'delete':
        return !ended && state !== 'done';
      case 'await_healthy':
      case 'switch':
      case 'stop':
      case 'abandon':
        return !ended;
      default:
        return unreachable(name);
    }
  });
}

/** The step that failed for good before a restart, so that the way back is gone on with. */
export function failedStepOf(
  execution: Execution,
  { serviceId }: ServiceTask,
): { readonly step: StepName; readonly explanation: Explanation } | null {
  for (const row of execution.steps.values()) {
    if (row.serviceId !== serviceId || row.state !== 'failed' || row.explanation === null) continue;
    if (row.step !== 'retire' && row.step !== 'abandon') {
      return { step: row.step, explanation: row.explanation };
    }
  }
  return null;
}

/** Null where a step changes nothing that a user would call progress. */
export function progressDuring(step: StepName): ServiceProgress | null {
  switch (step) {
    case 'build':
      return 'FETCHING';
    case 'start':
    case 'await_healthy':
      return 'STARTING';
    case 'switch':
      return 'SWITCHING';
    case 'stop':
      return 'STOPPING';
    case 'delete':
      return 'DELETING';
    case 'retire':
    case 'abandon':
      return null;
    default:
      return unreachable(step);
  }
}

export function finalProgress(service: ServiceTask): ServiceProgress {
  if (service.action === 'STOP') return 'STOPPED';
  return service.action === 'DELETE' ? 'DELETED' : 'DEPLOYED';
}

export function failedProgress(service: ServiceTask, step: StepName | undefined): ServiceProgress {
  if (service.action === 'STOP') return 'STOP_FAILED';
  if (service.action === 'DELETE') return 'DELETE_FAILED';
  return step === 'build' ? 'BUILD_FAILED' : 'DEPLOY_FAILED';
}

/** The event, unless that is where the service is already. */
export function progressEvents(
  execution: Execution,
  stage: TaskStage,
  service: ServiceTask,
  progress: ServiceProgress | null,
  explanation?: Explanation,
): EventBody[] {
  if (progress === null || progress === lastProgress(execution, service)) return [];
  const releaseId = service.release?.releaseId;
  return [
    {
      kind: 'service_progressed',
      stageId: stage.stageId,
      serviceId: service.serviceId,
      progress,
      ...(progress === 'DEPLOYED' && releaseId !== undefined ? { releaseId } : {}),
      ...(explanation === undefined ? {} : { explanation }),
    },
  ];
}
