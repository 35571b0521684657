import type { ObservedService, Target } from '@pilotfish/domain-deploy';
import { backoffDelayMs, type Clock, type EnvironmentId, toFault } from '@pilotfish/kernel';

interface Deps {
  readonly target: Pick<Target, 'observe'>;
  readonly clock: Clock;
  readonly random: () => number;
}

/** More patient than a step, since nothing has begun yet: half a minute to a whole one. */
const triesMax = 12;
const retryPolicy = { firstDelayMs: 250, delayMsMax: 10_000 };

/**
 * What is there of an environment, asked again while the target is away for a moment.
 *
 * @throws the last Fault when it stays away, the signal's reason when aborted
 */
export async function observe(
  { target, clock, random }: Deps,
  environmentId: EnvironmentId,
  signal: AbortSignal,
): Promise<readonly ObservedService[]> {
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await target.observe(environmentId, signal);
    } catch (error) {
      if (signal.aborted || !toFault(error).retryable || attempt + 1 >= triesMax) throw error;
      await clock.sleep(backoffDelayMs(retryPolicy, attempt, random()), signal);
    }
  }
}
