import type { Operations } from '@pilotfish/contracts/http';
import type { Handler } from '../api/call.ts';
import { readEnvironmentStatus } from '../routes/statuses.ts';
import { requestExecution } from './request-execution.ts';

/** Stops every service; what they are configured to be stays. */
export const stopEnvironment: Handler<Operations['stopEnvironment']> = async (call, deps) => {
  const { environmentId } = call.params;
  return await call.write(async (tx) => {
    await requestExecution(call, deps, tx, { environmentId, action: 'STOP', services: 'all' });
    return await readEnvironmentStatus(tx, environmentId);
  });
};
