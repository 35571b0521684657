import { messages } from '@pilotfish/contracts';
import { toFault } from '@pilotfish/kernel';
import { getService, listMissedPushes, lockEnvironment, type MissedPush } from '@pilotfish/store';
import { systemContext } from '../executions/system-context.ts';
import { enqueueExecution } from '../handlers/enqueue-execution.ts';
import type { ReconcileDeps } from './deps.ts';

/**
 * Deploys what was pushed while a service was to be deleted, once that deletion was canceled: the
 * push started nothing then, and nobody will announce it again. Paths are not compared: better one
 * deployment too many than a push lost.
 */
export async function deployMissedPushes(
  deps: Pick<ReconcileDeps, 'store' | 'bus' | 'clock' | 'logger'>,
): Promise<void> {
  const missed = await deps.store.system('worker', listMissedPushes);
  for (const push of missed) {
    try {
      await deployMissed(deps, push);
    } catch (thrown) {
      // The others are not to wait for it; it is looked at again.
      deps.logger.warn({ err: toFault(thrown), ...push }, 'a missed push was not deployed');
    }
  }
}

async function deployMissed(
  { store, bus, clock, logger }: Pick<ReconcileDeps, 'store' | 'bus' | 'clock' | 'logger'>,
  { organizationId, environmentId, serviceId, headSha }: MissedPush,
): Promise<void> {
  const context = systemContext(organizationId, 'git push');
  const outcome = await store.tenant(context, async (tx) => {
    await lockEnvironment(tx, environmentId);
    const service = await getService(tx, serviceId);
    // Another replica was here, or somebody asked for something else.
    if (service.state !== 'CANCELED' || service.lastRequestedSha === headSha) return undefined;
    return await enqueueExecution(tx, clock.now(), {
      environmentId,
      action: 'DEPLOY',
      services: [{ serviceId, commitSha: headSha }],
      origin: 'GIT',
      clientOrigin: 'GIT',
    });
  });
  if (outcome?.kind !== 'accepted') return;
  const { executionId, released } = outcome;
  if (released) bus.ring(messages.outboxWritten, {}, {});
  logger.info(
    { executionId, serviceId, headSha },
    'deployed what was pushed during a deletion that was canceled',
  );
}
