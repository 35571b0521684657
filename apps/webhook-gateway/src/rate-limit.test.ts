import type { Clock } from '@pilotfish/kernel';
import { expect, test } from 'vitest';
import { createRateLimit, type RateLimit } from './rate-limit.ts';

function handClock() {
  let ms = 1_000_000;
  const clock: Clock = {
    now: () => Temporal.Instant.fromEpochMilliseconds(ms),
    monotonicMs: () => ms,
    sleep: () => Promise.reject(new Error('nobody sleeps here')),
  };
  return {
    clock,
    turn(byMs: number) {
      ms += byMs;
    },
  };
}

/** Answers how many tokens of a key there were. */
function takingAllOf(limit: RateLimit): (key: string) => number {
  return (key) => {
    let taken = 0;
    while (taken < 100 && limit.take(key)) taken += 1;
    return taken;
  };
}

test('two seconds worth may come at once, then as many per second as the limit says', () => {
  const { clock, turn } = handClock();
  const limit = createRateLimit(clock, 10);
  const takeAll = takingAllOf(limit);
  expect(takeAll('a')).toBe(20);
  turn(1000);
  expect(takeAll('a')).toBe(10);
  turn(50);
  expect(takeAll('a')).toBe(0);
  turn(50);
  expect(takeAll('a')).toBe(1);
  expect(takeAll('b')).toBe(20);
  turn(60_000);
  expect(takeAll('a')).toBe(20);
});

test('no limit is no limit', () => {
  const { clock } = handClock();
  const limit = createRateLimit(clock, 0);
  for (let n = 0; n < 1000; n += 1) expect(limit.take('a')).toBe(true);
});

test('ever new keys do not make a busy one forget what it took', () => {
  const { clock, turn } = handClock();
  const limit = createRateLimit(clock, 10);
  for (let n = 0; n < 100; n += 1) limit.take('busy');
  for (let n = 0; n < 10_000; n += 1) {
    limit.take(`key ${n}`);
    if (n % 100 === 0) turn(1);
  }
  expect(takingAllOf(limit)('busy')).toBeLessThanOrEqual(1);
});

test('a busy key beside a few others stays one bucket, also where each is full again at once', () => {
  const { clock, turn } = handClock();
  const limit = createRateLimit(clock, 10);
  const takeAll = takingAllOf(limit);
  for (let n = 0; n < 500; n += 1) takeAll(`key ${n}`);
  turn(100);
  for (let n = 0; n < 500; n += 1) expect(takeAll(`key ${n}`)).toBe(1);
});

test('more keys than are remembered make the oldest one forgotten', () => {
  const { clock } = handClock();
  const limit = createRateLimit(clock, 1);
  const takeAll = (key: string) => [1, 2, 3].filter(() => limit.take(key)).length;
  expect(takeAll('oldest')).toBe(2);
  for (let n = 0; n < 20_000; n += 1) limit.take(`key ${n}`);
  expect(takeAll('newest')).toBe(2);
  expect(takeAll('newest')).toBe(0);
  expect(takeAll('oldest')).toBe(2);
});
