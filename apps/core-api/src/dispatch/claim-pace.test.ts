import { type Clock, systemClock } from '@pilotfish/kernel';
import { expect, test } from 'vitest';
import { createClaimPace } from './claim-pace.ts';

function paced() {
  let nowMs = 5000;
  const slept: number[] = [];
  const clock: Clock = {
    ...systemClock,
    monotonicMs: () => nowMs,
    async sleep(ms) {
      slept.push(ms);
    },
  };
  const { signal } = new AbortController();
  const pace = createClaimPace(clock);
  return {
    slept,
    turn: () => pace.turn(signal),
    hurry: pace.hurry,
    pass(ms: number) {
      nowMs += ms;
    },
  };
}

test('the first claim after a quiet time begins at once, each of the next ones 40 ms later', async () => {
  const { slept, turn, pass } = paced();
  await turn();
  expect(slept).toEqual([]);
  pass(10);
  // Two lanes ask at the same moment.
  await Promise.all([turn(), turn()]);
  expect(slept).toEqual([30, 70]);
  pass(1000);
  await turn();
  expect(slept).toEqual([30, 70]);
});

test('where there is more than one claim takes, the next one does not wait', async () => {
  const { slept, turn, hurry } = paced();
  await turn();
  hurry();
  await turn();
  expect(slept).toEqual([]);
  await turn();
  expect(slept).toEqual([40]);
});
