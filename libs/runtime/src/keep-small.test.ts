import { type Clock, systemClock } from '@pilotfish/kernel';
import { expect, test } from 'vitest';
import { type Heap, keepSmall, ownHeap } from './keep-small.ts';

const mebibyte = 1024 * 1024;

/** Each round is what one look finds: how much is in use, and how busy the time before it was. */
async function collectionsIn(rounds: { used: number; activeShare: number }[]): Promise<number[]> {
  const stop = new AbortController();
  const collectedInRound: number[] = [];
  let round = 0;
  let nowMs = 0;
  let activeMs = 0;
  let usedBytes = 0;
  const clock: Clock = {
    ...systemClock,
    monotonicMs: () => nowMs,
    sleep(delayMs) {
      const next = rounds[round];
      if (next === undefined) {
        stop.abort(new Error('done'));
        return Promise.reject(stop.signal.reason);
      }
      round += 1;
      nowMs += delayMs;
      activeMs += delayMs * next.activeShare;
      usedBytes = next.used * mebibyte;
      return Promise.resolve();
    },
  };
  const heap: Heap = {
    usedBytes: () => usedBytes,
    activeMs: () => activeMs,
    collect() {
      collectedInRound.push(round);
      usedBytes = 10 * mebibyte;
    },
  };
  await keepSmall(heap, clock, stop.signal);
  return collectedInRound;
}

test('garbage of the start is collected once it is over', async () => {
  const busy = { used: 20, activeShare: 0.6 };
  const quiet = { used: 20, activeShare: 0.01 };
  expect(await collectionsIn([busy, quiet])).toEqual([2]);
});

test('a heap that stays small is left alone, one that has grown is not', async () => {
  const rounds = [15, 10, 11, 11.9, 12.5, 11].map((used) => ({ used, activeShare: 0 }));
  expect(await collectionsIn(rounds)).toEqual([1, 5]);
});

test('a collection of this process frees what nothing refers to', () => {
  const garbage = new WeakRef(Array.from({ length: 100_000 }, (_, i) => ({ i })));
  expect(garbage.deref()).toBeDefined();
  return new Promise<void>((resolve) => {
    // In a later turn: what was dereferenced lives until its turn ends.
    setImmediate(() => {
      ownHeap.collect();
      expect(garbage.deref()).toBeUndefined();
      resolve();
    });
  });
});
