/**
 * Numbers in [0, 1), from the seed that the test run prints unless told, so that a failure can be
 * repeated.
 */
export function seededRandom(seed = Number(process.env.PILOTFISH_SEED ?? 1)): () => number {
  let state = seed >>> 0;
  // mulberry32: small, good enough to choose victims and moments.
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
