import type { Clock } from '@pilotfish/kernel';

export interface RateLimit {
  /** Takes one token of the key's bucket; false where it is empty. */
  take(key: string): boolean;
}

/** How many seconds' worth of tokens a bucket holds: what may come at once after a pause. */
const burstSeconds = 2;
/** Buckets that are remembered; who uses ever new keys must not be able to grow the memory. */
const keysMax = 20_000;
/** Full buckets that are looked for and forgotten when one is added. */
const forgetMax = 4;

/**
 * A token bucket per key. Of each only the instant is kept at which it will be full again, which is
 * the same arithmetic (GCRA, ITU-T I.371) and needs nothing to refill buckets.
 *
 * @param perSecond tokens per second and key; 0 for no limit
 */
export function createRateLimit(clock: Clock, perSecond: number): RateLimit {
  if (perSecond === 0) return { take: () => true };
  const tokenMs = 1000 / perSecond;
  const burstMs = burstSeconds * 1000;
  const fullAtMs = new Map<string, number>();

  function makeRoom(nowMs: number): void {
    let looked = 0;
    for (const [key, atMs] of fullAtMs) {
      if (atMs <= nowMs || fullAtMs.size > keysMax) fullAtMs.delete(key);
      looked += 1;
      if (looked === forgetMax) return;
    }
  }

  return {
    take(key) {
      const nowMs = clock.monotonicMs();
      const known = fullAtMs.get(key);
      if (known === undefined) makeRoom(nowMs);
      const atMs = Math.max(known ?? 0, nowMs) + tokenMs;
      if (atMs - nowMs > burstMs) return false;
      fullAtMs.set(key, atMs);
      return true;
    },
  };
}
