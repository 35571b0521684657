import type { Operations } from '@pilotfish/contracts/http';
import { getEnvironment, insertBaselineHead, listServices } from '@pilotfish/store';
import type { Handler } from '../api/call.ts';
import { quotas } from '../api/quotas.ts';
import { readEnvironmentStatus, statusOfEnvironment } from '../routes/statuses.ts';
import { findBranchHeads } from './branch-heads.ts';
import { requestExecution } from './request-execution.ts';

/** Deploys every service to the head of its branch as Git has it now. */
export const deployEnvironment: Handler<Operations['deployEnvironment']> = async (call, deps) => {
  const { environmentId } = call.params;
  const services = await call.read(async (tx) => {
    await getEnvironment(tx, environmentId);
    return await listServices(tx, environmentId, quotas.servicesPerEnvironment);
  });
  const commits = await findBranchHeads(call, deps, services);
  return await call.write(async (tx) => {
    for (const { id, repositoryKey, branch } of services) {
      const sha = commits.get(id);
      if (repositoryKey === null || branch === null || sha === undefined) continue;
      // From here on what moves is a push, also before heads are compared for the first time.
      await insertBaselineHead(tx, call.now, { repositoryKey, branch, sha });
    }
    await requestExecution(call, deps, tx, {
      environmentId,
      action: 'DEPLOY',
      services: 'all',
      commits,
    });
    return statusOfEnvironment(await readEnvironmentStatus(tx, environmentId));
  });
};
