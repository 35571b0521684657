import type { EnvironmentTask, ExecutionIssue } from '@pilotfish/contracts';
import type { ExecutionId } from '@pilotfish/kernel';
import type { ExecutionRow } from '../journal/change.ts';

/** The row with which an execution enters the journal. */
export function rowOf(
  issue: ExecutionIssue & { readonly executionId: ExecutionId },
  task: EnvironmentTask | null,
): ExecutionRow {
  const { executionId, organizationId, projectId, environmentId, sequenceFloor } = issue;
  const { epoch, generation, lease, attempt, trace } = issue;
  return {
    executionId,
    organizationId,
    projectId,
    environmentId,
    epoch,
    generation,
    lease,
    attempt,
    trace: trace ?? null,
    state: 'received',
    cancel: 'none',
    lastSequence: sequenceFloor,
    confirmedSequence: sequenceFloor,
    task,
  };
}
