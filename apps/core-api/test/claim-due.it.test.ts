import { systemClock } from '@pilotfish/kernel';
import { openInbox } from '@pilotfish/store';
import { testDatabase } from '@pilotfish/testing';
import { expect, onTestFinished, test } from 'vitest';
import { createClaimer } from '../src/dispatch/claim-due.ts';
import { append, newHook } from './dispatching.ts';
import { newWorld } from './world.ts';

/** A claim where each of so many organizations has as many deliveries due as it says. */
async function claimOf(due: readonly number[], claims = 1) {
  const { store, url } = await testDatabase();
  const inbox = await openInbox({ url, name: 'inbox' });
  onTestFinished(() => inbox.close());
  for (const count of due) {
    const world = await newWorld(store);
    const hook = await newHook(store, world);
    const bodies = Array.from({ length: count }, () => Buffer.from('{}'));
    await append(inbox, { world, hook }, bodies, { event: 'star' });
  }
  const metrics = { count: () => {}, asked: () => {} };
  const claimer = createClaimer({ store, clock: systemClock, metrics });
  const isFull: boolean[] = [];
  for (let n = 0; n < claims; n += 1) {
    isFull.push((await claimer.claim({ takesSuspect: true, except: [] })).isFull);
  }
  return isFull;
}

test('a claim that took all there was is not full', async () => {
  expect(await claimOf([3, 5])).toEqual([false]);
});

test('one that left something of an organization is full, also where it took little in all', async () => {
  // The second claim knows of six organizations, and takes a sixth of what a claim takes of each.
  expect(await claimOf([900, 2, 2, 2, 2, 2], 4)).toEqual([true, true, true, false]);
});

test('one that did not come to the last organization is full', async () => {
  expect(
    await claimOf(
      Array.from({ length: 65 }, () => 1),
      2,
    ),
  ).toEqual([true, false]);
});
