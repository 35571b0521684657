/** How long to wait before the next try. */
export interface BackoffPolicy {
  firstDelayMs: number;
  delayMsMax: number;
}

/**
 * Exponential with full jitter, so that a fleet which lost its server does not return in step.
 *
 * @param attempt 0 for the first wait
 * @param random a number in [0, 1)
 * @returns milliseconds, at least half of `firstDelayMs`, at most `delayMsMax`
 */
export function backoffDelayMs(policy: BackoffPolicy, attempt: number, random: number): number {
  const ceiling = Math.min(policy.delayMsMax, policy.firstDelayMs * 2 ** Math.min(attempt, 30));
  const floor = Math.min(policy.firstDelayMs / 2, ceiling);
  return Math.round(floor + (ceiling - floor) * random);
}
