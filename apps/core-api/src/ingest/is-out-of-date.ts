import { isDeepStrictEqual } from 'node:util';
import type { ServiceId } from '@pilotfish/kernel';
import {
  type EnvironmentRow,
  listServicesByStage,
  listVisibleVariables,
  type ReleaseRow,
  type TenantTransaction,
} from '@pilotfish/store';
import { snapshotRelease } from '../executions/snapshot-release.ts';

/**
 * True where a service that was just deployed would get another configuration today: it was edited
 * while its release waited or was built, or the release is an older one that was gone back to.
 */
export async function isOutOfDate(
  tx: TenantTransaction,
  environment: EnvironmentRow,
  serviceId: ServiceId,
  { commitSha, config }: ReleaseRow,
): Promise<boolean> {
  const inStages = await listServicesByStage(tx, environment.id);
  const service = inStages.map((one) => one.service).find(({ id }) => id === serviceId);
  // Deleted meanwhile.
  if (service === undefined) return false;
  const visible = await listVisibleVariables(tx, {
    projectId: environment.projectId,
    environmentId: environment.id,
  });
  const today = snapshotRelease(environment, service, commitSha, visible(serviceId));
  // What was told of the commit is no configuration.
  const wanted = { ...today, commit: config.commit };
  // As it is stored: without members that are undefined.
  return !isDeepStrictEqual(JSON.parse(JSON.stringify(wanted)), config);
}
