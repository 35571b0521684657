import { backoffDelayMs } from '@pilotfish/kernel';

const delayMsMax = 5 * 60_000;

/**
 * How long to wait after a try that failed. The first tries follow soon, because most hosts are back
 * then. Each wait is at least half of what it may be: by full jitter all of them could be over
 * within a minute, and a Git host that restarts would cost a push.
 *
 * @param attempts before the one that failed
 * @param random a number in [0, 1)
 */
export function retryDelayMs(attempts: number, random: number): number {
  const firstDelayMs = Math.min(1000 * 3 ** attempts, delayMsMax);
  return backoffDelayMs({ firstDelayMs, delayMsMax }, 0, random);
}
