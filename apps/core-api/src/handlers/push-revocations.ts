import { listRevokedEngines } from '@pilotfish/store';
import type { ApiDeps } from '../api/call.ts';

/**
 * Gives NATS the whole list of revoked engines, as the database has it: whoever is on it is cut off
 * at once. The reconciler repeats it at every connect, because a server may have lost its folder.
 */
export async function pushRevocations({
  store,
  authority,
  urls,
}: Pick<ApiDeps, 'store' | 'authority' | 'urls'>): Promise<void> {
  const revoked = await store.system('authenticator', listRevokedEngines);
  await authority.pushRevocations(urls.nats, revoked);
}
