import type { Operations } from '@pilotfish/contracts/http';
import { isBeingDeleted } from '@pilotfish/domain-deploy';
import { appendAudit, getService, lockEnvironment, updateService } from '@pilotfish/store';
import type { Handler } from '../api/call.ts';
import { requestExecution } from './request-execution.ts';

/** As `deleteEnvironment`, for one application. */
export const deleteApplication: Handler<Operations['deleteApplication']> = async (call, deps) => {
  const serviceId = call.params.applicationId;
  return await call.write(async (tx) => {
    const { environmentId } = await getService(tx, serviceId);
    await lockEnvironment(tx, environmentId);
    const service = await getService(tx, serviceId);
    if (isBeingDeleted(service.state)) return undefined;
    await appendAudit(tx, call.now, {
      action: 'application.delete_requested',
      targetKind: 'application',
      targetId: serviceId,
    });
    if (service.lastExecutionId === null) {
      await updateService(tx, call.now, service, { deletedAt: call.now });
    } else {
      await requestExecution(call, deps, tx, {
        environmentId,
        action: 'DELETE',
        services: [{ serviceId }],
      });
    }
    return undefined;
  });
};
