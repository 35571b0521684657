import type { ServiceTask } from '@pilotfish/contracts';
import { assert, unreachable } from '@pilotfish/kernel';
import type { ObservedService, StepName } from './target.ts';

/**
 * The steps that bring one service from what is observed to what the task wants. Pure, so that a
 * restarted engine plans again from what it finds and goes on instead of starting over.
 *
 * @param observed undefined where the target has never heard of the service
 */
export function planService(
  task: ServiceTask,
  observed: ObservedService | undefined,
): readonly StepName[] {
  switch (task.action) {
    // A restart is a new release of the same content: it replaces the old one without a gap.
    case 'DEPLOY':
    case 'RESTART':
      return planRelease(task, observed);
    case 'STOP':
      return hasInstances(observed) ? ['stop'] : [];
    case 'DELETE':
      return ['delete'];
    default:
      return unreachable(task.action);
  }
}

function planRelease(task: ServiceTask, observed: ObservedService | undefined): StepName[] {
  assert(task.release !== null, `${task.action} of service ${task.serviceId} needs a release`);
  const { releaseId } = task.release;
  if (observed?.servingReleaseId === releaseId) {
    // Killed between `switch` and the end of `retire`, or deployed already.
    return observed.runningReleaseIds.some((running) => running !== releaseId) ? ['retire'] : [];
  }
  // All idempotent: `build` finds the artefact kept under its content, `start` adopts a candidate
  // that an earlier run of this execution started.
  return ['build', 'start', 'await_healthy', 'switch', 'retire'];
}

function hasInstances(observed: ObservedService | undefined): boolean {
  return (
    observed !== undefined &&
    (observed.servingReleaseId !== null || observed.runningReleaseIds.length > 0)
  );
}

/** True from the step on after which the old release no longer serves: a failure cannot go back. */
export function isPastSwitch(step: StepName): boolean {
  return step === 'retire';
}
