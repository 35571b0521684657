import type { ReleaseConfig } from '@pilotfish/contracts';
import type { Operations, VariableDifference } from '@pilotfish/contracts/http';
import { Fault } from '@pilotfish/kernel';
import {
  getEnvironment,
  getRelease,
  getService,
  listVisibleVariables,
  type ReleaseRow,
  type ServiceRow,
  type TenantTransaction,
} from '@pilotfish/store';
import type { Handler } from '../api/call.ts';
import { builtInVariables, snapshotRelease } from '../executions/snapshot-release.ts';
import { readServiceStatus } from '../routes/statuses.ts';
import { requestExecution } from './request-execution.ts';

/**
 * Runs a release again exactly as it was, and says which variables then differ from today's.
 *
 * @throws Fault `conflict` for a release that never served
 */
export const rollbackApplication: Handler<Operations['rollbackApplication']> = async (
  call,
  deps,
) => {
  const serviceId = call.params.applicationId;
  return await call.write(async (tx) => {
    const service = await getService(tx, serviceId);
    const release = await getRelease(tx, serviceId, call.body.release_id);
    if (release.activatedAt === null) {
      throw new Fault('conflict', `Release ${release.number} never served: there is no way back`);
    }
    const differences = await compareWithToday(tx, service, release);
    await requestExecution(call, deps, tx, {
      environmentId: service.environmentId,
      action: 'DEPLOY',
      services: [{ serviceId, releaseId: release.id }],
    });
    return {
      ...(await readServiceStatus(tx, serviceId)),
      release_id: release.id,
      variable_differences: differences,
    };
  });
};

async function compareWithToday(
  tx: TenantTransaction,
  service: ServiceRow,
  release: ReleaseRow,
): Promise<VariableDifference[]> {
  const { environment } = await getEnvironment(tx, service.environmentId);
  const visible = await listVisibleVariables(tx, {
    projectId: environment.projectId,
    environmentId: environment.id,
  });
  const today = snapshotRelease(environment, service, release.commitSha, visible(service.id));
  const builtIn = new Set(Object.keys(builtInVariables(environment, service, release.commitSha)));
  return compareVariables(release.config, today).filter(({ key }) => !builtIn.has(key));
}

/** How variables changed from `before` to `after`, by key; secrets by their versions. */
export function compareVariables(
  before: Pick<ReleaseConfig, 'variables' | 'secrets'>,
  after: Pick<ReleaseConfig, 'variables' | 'secrets'>,
): VariableDifference[] {
  const old = fingerprints(before);
  const now = fingerprints(after);
  const keys = [...new Set([...old.keys(), ...now.keys()])].sort();
  return keys.flatMap((key) => {
    const [was, is] = [old.get(key), now.get(key)];
    if (was === is) return [];
    const change = was === undefined ? 'ADDED' : is === undefined ? 'REMOVED' : 'CHANGED';
    const secret = key in after.secrets || (is === undefined && key in before.secrets);
    return [{ key, is_secret: secret, change }];
  });
}

function fingerprints({ variables, secrets }: Pick<ReleaseConfig, 'variables' | 'secrets'>) {
  const all = new Map<string, string>();
  for (const [key, value] of Object.entries(variables)) all.set(key, `value ${value}`);
  for (const [key, { variableId, version }] of Object.entries(secrets)) {
    all.set(key, `secret ${variableId} ${version}`);
  }
  return all;
}
