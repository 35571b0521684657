import type { Operations } from '@pilotfish/contracts/http';
import { appendAudit, lockEnvironment, updateEnvironment } from '@pilotfish/store';
import type { Handler } from '../api/call.ts';
import { requestExecution } from './request-execution.ts';

/**
 * Deletes an environment: by an execution that removes what was made for it, after which it is
 * gone; at once where nothing was ever requested of it.
 */
export const deleteEnvironment: Handler<Operations['deleteEnvironment']> = async (call, deps) => {
  const { environmentId } = call.params;
  return await call.write(async (tx) => {
    const environment = await lockEnvironment(tx, environmentId);
    await appendAudit(tx, call.now, {
      action: 'environment.delete_requested',
      targetKind: 'environment',
      targetId: environmentId,
    });
    if (environment.generation === 0) {
      await updateEnvironment(tx, call.now, environmentId, { deletedAt: call.now });
    } else {
      await requestExecution(call, deps, tx, { environmentId, action: 'DELETE', services: 'all' });
    }
    return undefined;
  });
};
