import { expect, test } from 'vitest';
import { attemptsMax } from './deps.ts';
import { retryDelayMs } from './retry-delay.ts';

/** From the first try to the last, before a delivery is set aside. */
function triedForMs(random: number): number {
  const waits = Array.from({ length: attemptsMax - 1 }, (_, n) => retryDelayMs(n, random));
  return waits.reduce((sum, wait) => sum + wait, 0);
}

test('a delivery is tried for five to eleven minutes, whatever chance says', () => {
  expect(triedForMs(0)).toBeGreaterThan(5 * 60_000);
  expect(triedForMs(0.999)).toBeLessThan(11.2 * 60_000);
  // And soon again at first.
  expect(retryDelayMs(0, 0.999)).toBeLessThanOrEqual(1000);
});
