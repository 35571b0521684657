import { type Clock, systemClock } from '@pilotfish/kernel';
import { expect, test } from 'vitest';
import { createLateRefusals } from './late-refusals.ts';

const settle = () => new Promise((resolve) => setImmediate(resolve));

/** Refusals on a clock that a test moves on; those that may be answered say their name. */
function refusals() {
  let nowMs = 1000;
  const sleeping: (() => void)[] = [];
  const clock: Clock = {
    ...systemClock,
    monotonicMs: () => nowMs,
    sleep: () => new Promise((resolve) => sleeping.push(resolve)),
  };
  const { wait, release } = createLateRefusals(clock);
  const answered: (string | number)[] = [];
  return {
    answered,
    release,
    refuse: (name: string | number) => void wait().then(() => answered.push(name)),
    async pass(ms: number) {
      nowMs += ms;
      for (const wake of sleeping.splice(0)) wake();
      await settle();
    },
    isAsleep: () => sleeping.length === 0,
  };
}

test('each is answered a second after it came, and then nothing is looked for', async () => {
  const { answered, pass, refuse, isAsleep } = refusals();
  refuse('first');
  await pass(400);
  refuse('second');
  await pass(599);
  expect(answered).toEqual([]);
  await pass(1);
  expect(answered).toEqual(['first']);
  await pass(399);
  expect(answered).toEqual(['first']);
  await pass(1);
  expect(answered).toEqual(['first', 'second']);
  expect(isAsleep()).toBe(true);
  refuse('after a pause');
  await pass(1000);
  expect(answered).toContain('after a pause');
});

test('only so many wait: who comes beyond is answered at once', async () => {
  const { answered, pass, refuse } = refusals();
  for (let number = 0; number < 258; number += 1) refuse(number);
  await settle();
  expect(answered).toEqual([256, 257]);
  await pass(1000);
  expect(answered).toHaveLength(258);
  refuse('with room again');
  await settle();
  expect(answered).toHaveLength(258);
});

test('when the service ends nobody waits any more', async () => {
  const { answered, refuse, release } = refusals();
  refuse('waiting');
  release();
  refuse('later');
  await settle();
  expect(answered).toEqual(['waiting', 'later']);
});
