import type { Clock } from '@pilotfish/kernel';

export interface RateLimit {
  /** Takes one token of the key's bucket; false where it is empty. */
  take(key: string): boolean;
}

/** How many seconds' worth of tokens a bucket holds: what may come at once after a pause. */
const burstSeconds = 2;
/** Buckets that are remembered; who uses ever new keys must not be able to grow the memory. */
const keysMax = 20_000;
/** So few need not be forgotten: a Map that keys enter and leave all the time makes garbage that lasts. */
const keptKeys = 1000;
/** Full buckets that are looked for and forgotten when one is added. */
const forgetMax = 4;

interface Bucket {
  fullAtMs: number;
}

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
  const buckets = new Map<string, Bucket>();

  function makeRoom(nowMs: number): void {
    let looked = 0;
    for (const [key, { fullAtMs }] of buckets) {
      if (buckets.size < keptKeys) return;
      if (fullAtMs <= nowMs || buckets.size > keysMax) buckets.delete(key);
      looked += 1;
      if (looked === forgetMax) return;
    }
  }

  return {
    take(key) {
      const nowMs = clock.monotonicMs();
      const known = buckets.get(key);
      const fullAtMs = Math.max(known?.fullAtMs ?? 0, nowMs) + tokenMs;
      if (fullAtMs - nowMs > burstMs) return false;
      if (known !== undefined) {
        known.fullAtMs = fullAtMs;
        return true;
      }
      makeRoom(nowMs);
      buckets.set(key, { fullAtMs });
      return true;
    },
  };
}
