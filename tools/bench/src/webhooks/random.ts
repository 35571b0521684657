/** Numbers in [0, 1) from a seed, so that two runs send the same bytes. */
export type Random = () => number;

/** mulberry32: small, good enough to make payloads. */
export function randomFrom(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A whole number in [0, below). */
export function below(random: Random, limit: number): number {
  return Math.floor(random() * limit);
}

/** One of them. */
export function pick<T>(random: Random, from: readonly [T, ...T[]]): T {
  return from[below(random, from.length)] ?? from[0];
}

/** That many hex digits. */
export function hex(random: Random, digits: number): string {
  return Array.from({ length: digits }, () => below(random, 16).toString(16)).join('');
}
