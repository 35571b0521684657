import { type Clock, systemClock } from '@pilotfish/kernel';
import { expect, test } from 'vitest';
import { createDoorbell } from './doorbell.ts';

const settle = () => new Promise((resolve) => setImmediate(resolve));

/** A bell whose quiet times a test ends by hand. */
function bell() {
  const pauses: (() => void)[] = [];
  const clock: Clock = {
    ...systemClock,
    sleep: () => new Promise((resolve) => pauses.push(resolve)),
  };
  let rings = 0;
  const ring = createDoorbell(() => {
    rings += 1;
  }, clock);
  const pass = async () => {
    pauses.shift()?.();
    await settle();
  };
  return { ring, pass, rings: () => rings };
}

test('the first ring is heard at once, those that follow soon together', async () => {
  const { ring, pass, rings } = bell();
  ring();
  expect(rings()).toBe(1);
  ring();
  ring();
  expect(rings()).toBe(1);
  await pass();
  expect(rings()).toBe(2);
  await pass();
  expect(rings()).toBe(2);
});

test('after a quiet time it is heard at once again', async () => {
  const { ring, pass, rings } = bell();
  ring();
  await pass();
  ring();
  expect(rings()).toBe(2);
});
