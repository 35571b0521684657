import type { Clock } from '@pilotfish/kernel';

/** Between the beginnings of two claims. A push waits as long at most, and a quiet dispatcher not at all. */
const apartMs = 40;

/** When the next claim may begin. */
export interface ClaimPace {
  /** Resolves when it is this claim's turn, or as soon as the signal aborts. */
  turn(signal: AbortSignal): Promise<void>;
  /** There is more than one claim takes: the next one need not wait. */
  hurry(): void;
}

/**
 * Keeps claims apart. One costs some 3 ms, here and in PostgreSQL, however little it takes: at
 * thousands of deliveries a second, claims that follow each other at once take a handful each, and
 * then the dispatcher costs more than all that is done with them.
 */
export function createClaimPace(clock: Clock): ClaimPace {
  let nextMs = -Infinity;
  return {
    async turn(signal) {
      const nowMs = clock.monotonicMs();
      const waitMs = nextMs - nowMs;
      nextMs = Math.max(nextMs, nowMs) + apartMs;
      if (waitMs > 0) await clock.sleep(waitMs, signal).catch(() => undefined);
    },
    hurry() {
      nextMs = -Infinity;
    },
  };
}
