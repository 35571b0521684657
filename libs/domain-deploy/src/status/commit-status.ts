import { ServiceProgress } from '@pilotfish/contracts';
import { unreachable } from '@pilotfish/kernel';

/** What a Git provider shows beside a commit. */
export type CommitStatus = 'pending' | 'success' | 'failure' | 'canceled';

/**
 * How the deployment of a commit shows at its Git provider; null for what is no deployment. Canceled
 * is what never ran to its end: the commit is not to blame.
 */
export function commitStatusOf(progress: ServiceProgress): CommitStatus | null {
  switch (progress) {
    case 'QUEUED':
    case 'FETCHING':
    case 'BUILDING':
    case 'STARTING':
    case 'SWITCHING':
      return 'pending';
    case 'DEPLOYED':
      return 'success';
    case 'BUILD_FAILED':
    case 'DEPLOY_FAILED':
      return 'failure';
    case 'CANCELED':
    case 'SKIPPED':
      return 'canceled';
    case 'STOPPING':
    case 'DELETING':
    case 'STOPPED':
    case 'DELETED':
    case 'STOP_FAILED':
    case 'DELETE_FAILED':
      return null;
    default:
      return unreachable(progress);
  }
}

/** Every progress that shows as that status: the same rule, for whoever asks a database. */
export function progressesOf(status: CommitStatus): readonly ServiceProgress[] {
  return ServiceProgress.options.filter((progress) => commitStatusOf(progress) === status);
}
