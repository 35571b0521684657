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
  const { ring, flush } = createDoorbell(() => {
    rings += 1;
  }, clock);
  const pass = async () => {
    pauses.shift()?.();
    await settle();
  };
  return { ring, flush, pass, rings: () => rings };
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

test('who waits to be heard is heard when the gateway closes, once', async () => {
  const { ring, flush, pass, rings } = bell();
  flush();
  expect(rings()).toBe(0);
  ring();
  flush();
  expect(rings()).toBe(1);
  ring();
  flush();
  flush();
  expect(rings()).toBe(2);
  await pass();
  expect(rings()).toBe(2);
});
