import { type Clock, systemClock } from '@pilotfish/kernel';
import { isAlive, type ProcessIdentity } from '@pilotfish/runtime';

export interface StopStep {
  readonly signal: NodeJS.Signals;
  readonly waitMs: number;
}

/**
 * Sends the signals in turn, each with its time to work, until the process is gone. Returns false
 * when it outlived them all (a process in uninterruptible sleep). With `group` the whole process
 * group gets the signals, which is right only for a process that was started as its leader.
 */
export async function stopProcess(
  identity: ProcessIdentity,
  steps: readonly StopStep[],
  options: { readonly group?: boolean; readonly clock?: Clock } = {},
): Promise<boolean> {
  const clock = options.clock ?? systemClock;
  for (const { signal, waitMs } of steps) {
    if (!isAlive(identity)) return true;
    try {
      process.kill(options.group === true ? -identity.pid : identity.pid, signal);
    } catch {
      // It ended between the look and the signal; the next look says so.
    }
    const giveUpMs = clock.monotonicMs() + waitMs;
    while (isAlive(identity) && clock.monotonicMs() < giveUpMs) await clock.sleep(20);
  }
  return !isAlive(identity);
}
