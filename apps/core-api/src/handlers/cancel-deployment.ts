import type { Operations } from '@pilotfish/contracts/http';
import type { Handler } from '../api/call.ts';
import { askToCancel } from '../executions/ask-to-cancel.ts';
import { readEnvironmentStatus } from '../routes/statuses.ts';
import { cancelExecution } from './cancel-execution.ts';

/** Marks the cancel where it cannot be lost, then tells the engine, if it can be reached. */
export const cancelDeployment: Handler<Operations['cancelEnvironmentDeployment']> = async (
  call,
  deps,
) => {
  const { environmentId } = call.params;
  const force = call.body?.force_cancel ?? false;
  return await call.write(async (tx) => {
    const { kind, executionId } = await cancelExecution(tx, call.now, { environmentId, force });
    if (kind === 'canceling') {
      call.afterCommit(() => askToCancel(deps, tx.organizationId, executionId));
    }
    return await readEnvironmentStatus(tx, environmentId);
  });
};
