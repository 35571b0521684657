import type { Operations } from '@pilotfish/contracts/http';
import { isCommitSha } from '@pilotfish/git';
import { Fault } from '@pilotfish/kernel';
import { getService } from '@pilotfish/store';
import type { Handler } from '../api/call.ts';
import { readServiceStatus } from '../routes/statuses.ts';
import { requestExecution } from './request-execution.ts';

/** Deploys one commit with today's configuration, older ones than the head as well. */
export const deployApplication: Handler<Operations['deployApplication']> = async (call, deps) => {
  const serviceId = call.params.applicationId;
  const commitSha = call.body.git_commit_id;
  if (!isCommitSha(commitSha)) {
    throw new Fault('invalid_input', 'git_commit_id: must be a whole commit id');
  }
  return await call.write(async (tx) => {
    const { environmentId } = await getService(tx, serviceId);
    await requestExecution(call, deps, tx, {
      environmentId,
      action: 'DEPLOY',
      services: [{ serviceId, commitSha }],
    });
    return await readServiceStatus(tx, serviceId);
  });
};
