/** Whether two kinds of requests can be told apart by the time they take, as dudect asks it. */

/** |t| above which two populations count as different: one in 10^5 by chance. */
export const tMax = 4.5;
/** Samples above this part of both populations together are left out: they measure the machine. */
const kept = 0.9;
/** Samples before these are left out: code that is still being compiled. */
const warmupShare = 0.1;

export interface Comparison {
  /** Welch's t of the two means; positive where the first one takes longer. */
  readonly t: number;
  readonly differenceNs: number;
}

/**
 * Takes samples of both kinds in random order, so that whatever drifts drifts for both.
 *
 * @param sample does the work once and answers how long it took, in milliseconds
 * @param count samples of each kind
 */
export async function compareTimes(
  [first, second]: readonly [Sample, Sample],
  count: number,
  random: () => number,
): Promise<Comparison> {
  const times: [number[], number[]] = [[], []];
  const left = [count, count];
  for (let taken = 0; taken < 2 * count; taken += 1) {
    const isFirst = random() * (left[0]! + left[1]!) < left[0]!;
    left[isFirst ? 0 : 1]! -= 1;
    const result = isFirst ? first() : second();
    const timeMs = typeof result === 'number' ? result : await result;
    if (taken >= 2 * count * warmupShare) times[isFirst ? 0 : 1].push(timeMs);
  }
  const pooled = [...times[0], ...times[1]].toSorted((a, b) => a - b);
  const cut = pooled[Math.floor(pooled.length * kept)]!;
  const [a, b] = times.map((all) => describe(all.filter((time) => time < cut)));
  const t = (a!.mean - b!.mean) / Math.sqrt(a!.variance / a!.count + b!.variance / b!.count);
  return { t, differenceNs: Math.round((a!.mean - b!.mean) * 1e6) };
}

export type Sample = () => number | Promise<number>;

function describe(values: readonly number[]): { count: number; mean: number; variance: number } {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { count: values.length, mean, variance: squares / (values.length - 1) };
}
