import { randomInt } from 'node:crypto';

/** A number in [0, 1), to spread retries. */
export function randomFraction(): number {
  return randomInt(2 ** 31) / 2 ** 31;
}
