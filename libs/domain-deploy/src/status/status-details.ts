import type { ServiceProgress } from '@pilotfish/contracts';
import type { StatusDetails } from '@pilotfish/contracts/http';
import type { ExecutionAction } from '../queue/decide-enqueue.ts';
import { type ExecutionStatus, isFinalProgress } from './wire-state.ts';

/** A service's part in an execution, as far as its status tells of it. */
export interface StatusPart {
  readonly action: ExecutionAction;
  readonly progress: ServiceProgress;
}

/**
 * The last action on a service and how far it came, in the words of the public API.
 *
 * @param part null where nothing was ever asked of the service
 * @param execution where the execution stands that the part belongs to; undefined where unknown
 */
export function statusDetails(
  part: StatusPart | null,
  execution: ExecutionStatus | undefined,
): StatusDetails {
  if (part === null) return { action: 'UNKNOWN', status: 'NEVER', sub_action: 'NONE' };
  return {
    action: part.action,
    status: actionStatus(part.progress, execution),
    sub_action: 'NONE',
  };
}

function actionStatus(
  progress: ServiceProgress,
  execution: ExecutionStatus | undefined,
): StatusDetails['status'] {
  if (!isFinalProgress(progress)) {
    if (execution === 'CANCELING') return 'CANCELING';
    return progress === 'QUEUED' ? 'QUEUED' : 'ONGOING';
  }
  if (progress.endsWith('_FAILED')) return 'ERROR';
  return progress === 'CANCELED' || progress === 'SKIPPED' ? 'CANCELED' : 'SUCCESS';
}
