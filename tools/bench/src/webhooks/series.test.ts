import { expect, test } from 'vitest';
import type { Leg } from './leg.ts';
import { startSeries } from './series.ts';

const legWith = (disturbance: number) => ({ disturbance }) as Leg;

/** Answers what these tries measured, one after the other. */
function tries(...disturbances: number[]): () => Promise<readonly Leg[]> {
  return async () => [legWith(0), legWith(disturbances.shift() ?? Number.NaN)];
}

test('a disturbed try is thrown away and made again, and said', async () => {
  const series = startSeries(() => undefined, false);
  expect(await series.together(tries(0.5, 0.01))).toEqual([legWith(0), legWith(0.01)]);
  expect([series.discarded(), series.disturbed()]).toEqual([1, 0]);
});

test('where every try is disturbed, the least disturbed one counts, and that is said', async () => {
  const series = startSeries(() => undefined, false);
  expect(await series.together(tries(0.5, 0.2, 0.3))).toEqual([legWith(0), legWith(0.2)]);
  expect([series.discarded(), series.disturbed()]).toEqual([2, 1]);
});
