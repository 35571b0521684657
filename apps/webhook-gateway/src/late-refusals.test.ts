import { EventEmitter } from 'node:events';
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
  const { wait, waiting, release } = createLateRefusals(clock);
  const answered: (string | number)[] = [];
  return {
    answered,
    waiting,
    release,
    refuse(name: string | number, connection = new EventEmitter()) {
      void wait(connection).then(() => answered.push(name));
      return connection;
    },
    async pass(ms: number) {
      nowMs += ms;
      for (const wake of sleeping.splice(0)) wake();
      await settle();
    },
    isIdle: () => sleeping.length === 0,
  };
}

test('each is answered three quarters of a second after it came, and then nothing is looked for', async () => {
  const { answered, pass, refuse, isIdle } = refusals();
  const connection = refuse('first');
  await pass(400);
  refuse('second');
  await pass(349);
  expect(answered).toEqual([]);
  await pass(1);
  expect(answered).toEqual(['first']);
  expect(connection.listenerCount('close')).toBe(0);
  await pass(399);
  expect(answered).toEqual(['first']);
  await pass(1);
  expect(answered).toEqual(['first', 'second']);
  expect(isIdle()).toBe(true);
  refuse('after a pause');
  await pass(750);
  expect(answered).toContain('after a pause');
});

test('only so many wait: who comes beyond is answered at once', async () => {
  const { answered, pass, refuse, waiting } = refusals();
  for (let number = 0; number < 258; number += 1) refuse(number);
  await settle();
  expect(answered).toEqual([256, 257]);
  await pass(750);
  expect(answered).toHaveLength(258);
  expect(waiting()).toBe(0);
  refuse('with room again');
  await settle();
  expect(answered).toHaveLength(258);
});

test('a connection has one place, and loses it with its end', async () => {
  const { answered, pass, refuse, waiting } = refusals();
  const connection = refuse('first');
  refuse('behind it', connection);
  const other = refuse('other');
  await settle();
  expect([answered, waiting()]).toEqual([['behind it'], 2]);
  // The one that goes need not be the one whose turn is next.
  other.emit('close');
  await settle();
  expect([answered, waiting()]).toEqual([['behind it', 'other'], 1]);
  await pass(750);
  expect(answered).toEqual(['behind it', 'other', 'first']);
  connection.emit('close');
  expect(waiting()).toBe(0);
});

test('when the service ends nobody waits any more', async () => {
  const { answered, refuse, release } = refusals();
  refuse('waiting');
  release();
  refuse('later');
  await settle();
  expect(answered).toEqual(['waiting', 'later']);
});
