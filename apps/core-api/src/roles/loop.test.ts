import { type Clock, systemClock } from '@pilotfish/kernel';
import { createLogger } from '@pilotfish/runtime';
import { expect, test } from 'vitest';
import { createLoop } from './loop.ts';

const logger = createLogger({ name: 'test', level: 'silent' });

/** A clock whose sleeps end when the test says so. */
function handClock() {
  const sleeping: (() => void)[] = [];
  const clock: Clock = {
    now: systemClock.now,
    monotonicMs: () => 0,
    sleep: (_, signal) =>
      new Promise((resolve, reject) => {
        sleeping.push(resolve);
        signal?.addEventListener('abort', () => reject(signal.reason));
      }),
  };
  return {
    clock,
    turn: () => {
      for (const wake of sleeping.splice(0)) wake();
    },
  };
}

/** Lets everything run that waits for nothing but its turn. */
const settle = () => new Promise((resolve) => setImmediate(resolve));

function newLoop(options: { lanes?: number; work?: number }) {
  const { clock, turn } = handClock();
  const state = { looks: 0, work: options.work ?? 0 };
  const loop = createLoop(
    { clock, logger },
    {
      name: 'test',
      intervalMs: 1000,
      ...(options.lanes === undefined ? {} : { lanes: options.lanes }),
      async step() {
        state.looks += 1;
        if (state.work === 0) return false;
        state.work -= 1;
        return true;
      },
    },
  );
  return { loop, state, turn };
}

test('while there is nothing to do, one lane looks once per interval', async () => {
  const { loop, state, turn } = newLoop({ lanes: 4 });
  await settle();
  expect(state.looks).toBe(4);
  turn();
  await settle();
  turn();
  await settle();
  expect(state.looks).toBe(6);
  await loop.close();
});

test('a ring is answered at once, and everything there is gets done', async () => {
  const { loop, state } = newLoop({ lanes: 3 });
  await settle();
  state.work = 20;
  loop.ring();
  await settle();
  expect(state.work).toBe(0);
  await loop.close();
});

test('a ring while all lanes are busy is not lost', async () => {
  const { clock } = handClock();
  const gates: ((worked: boolean) => void)[] = [];
  const loop = createLoop(
    { clock, logger },
    {
      name: 'test',
      intervalMs: 1000,
      step: () => new Promise<boolean>((resolve) => gates.push(resolve)),
    },
  );
  await settle();
  loop.ring();
  gates[0]?.(false);
  await settle();
  expect(gates).toHaveLength(2);
  gates[1]?.(false);
  await settle();
  expect(gates).toHaveLength(2);
  await loop.close();
});

test('a step that throws ends nothing', async () => {
  const { clock, turn } = handClock();
  let looks = 0;
  const loop = createLoop(
    { clock, logger },
    {
      name: 'test',
      intervalMs: 1000,
      async step() {
        looks += 1;
        throw new Error('broken');
      },
    },
  );
  await settle();
  turn();
  await settle();
  expect(looks).toBe(2);
  await loop.close();
});

test('while it is rung and nothing happened for a while, a loop looks more rarely', async () => {
  const { clock: hand, turn } = handClock();
  let nowMs = 0;
  let connected = true;
  let work = 0;
  const looks: number[] = [];
  const loop = createLoop(
    { clock: { ...hand, monotonicMs: () => nowMs }, logger },
    {
      name: 'test',
      intervalMs: 1000,
      quiet: { intervalMs: 5000, isRung: () => connected },
      async step() {
        looks.push(nowMs / 1000);
        if (work === 0) return false;
        work -= 1;
        return true;
      },
    },
  );
  const seconds = async (count: number) => {
    looks.length = 0;
    for (let i = 0; i < count; i += 1) {
      nowMs += 1000;
      turn();
      await settle();
    }
    return looks.length;
  };
  await settle();
  expect(await seconds(30)).toBe(30);
  expect(await seconds(20)).toBe(4);
  connected = false;
  expect(await seconds(5)).toBe(5);
  connected = true;
  expect(await seconds(10)).toBe(2);
  work = 1;
  loop.ring();
  await settle();
  expect(work).toBe(0);
  expect(await seconds(30)).toBe(30);
  await loop.close();
});
