import type { InstanceStatus } from '@pilotfish/contracts';
import type { StepDeps } from './step-deps.ts';

type EndDeps = Pick<StepDeps, 'clock' | 'edge' | 'supervisor' | 'limits'>;

/**
 * Stops instances that get no new traffic: each as soon as the requests that it had are answered,
 * at the latest after the drain time. Upgraded connections are not waited for, as they last as long
 * as their clients like; they end with the application's own reaction to SIGTERM.
 */
export async function endInstances(
  deps: EndDeps,
  instances: readonly InstanceStatus[],
  signal: AbortSignal,
): Promise<void> {
  await Promise.all(
    instances.map(async ({ instanceId }) => {
      await drain(deps, instanceId, signal);
      await deps.supervisor.remove(instanceId, signal);
    }),
  );
}

async function drain(deps: EndDeps, instanceId: string, signal: AbortSignal): Promise<void> {
  const giveUpMs = deps.clock.monotonicMs() + deps.limits.drainSecondsMax * 1000;
  for (let waitMs = 5; ; waitMs = Math.min(waitMs * 2, 200)) {
    const requests = await deps.edge.requestsInFlight(instanceId, signal);
    if (requests === undefined || requests === 0) return;
    if (deps.clock.monotonicMs() >= giveUpMs) return;
    await deps.clock.sleep(waitMs, signal);
  }
}
