import { type Clock, type IncomingWebhookId, newId, systemClock } from '@pilotfish/kernel';
import { expect, test } from 'vitest';
import { createHookCache, type Hook } from './hooks.ts';

const id = newId<IncomingWebhookId>();

function newCache() {
  let ms = 0;
  const clock: Clock = { ...systemClock, monotonicMs: () => ms };
  let secret = 'first';
  const asked: (() => void)[] = [];
  const cache = createHookCache({
    clock,
    findHook: (hookId) =>
      new Promise((resolve) => {
        const seen = secret;
        asked.push(() => resolve({ id: hookId, currentSecret: seen as unknown } as Hook));
      }),
  });
  const settle = () => new Promise((resolve) => setImmediate(resolve));
  return {
    cache,
    asked,
    async answer() {
      for (const resolve of asked.splice(0)) resolve();
      await settle();
    },
    turn(byMs: number) {
      ms += byMs;
    },
    rotate() {
      secret = 'second';
    },
  };
}

test('a webhook is asked for once by all who come at the same time', async () => {
  const { cache, asked, answer } = newCache();
  const found = Promise.all([cache.find(id), cache.find(id)]);
  expect(asked).toHaveLength(1);
  await answer();
  expect((await found).map((hook) => hook?.currentSecret)).toEqual(['first', 'first']);
});

test('nobody waits for a busy webhook, and what it was is forgotten after two seconds', async () => {
  const { cache, asked, answer, turn, rotate } = newCache();
  void cache.find(id);
  await answer();
  turn(1500);
  rotate();
  expect(cache.find(id)).toMatchObject({ currentSecret: 'first' });
  expect(asked).toHaveLength(1);
  await answer();
  expect(cache.find(id)).toMatchObject({ currentSecret: 'second' });
  turn(2000);
  expect(cache.find(id)).toBeInstanceOf(Promise);
  await answer();
});

test('an answer counts from its question on', async () => {
  const { cache, answer, turn } = newCache();
  void cache.find(id);
  turn(2500);
  await answer();
  // What changed while the database was slow may not be in what it said.
  expect(cache.find(id)).toBeInstanceOf(Promise);
  await answer();
});

test('whoever comes two seconds after a question does not get its answer', async () => {
  const { cache, asked, turn, rotate } = newCache();
  const settle = () => new Promise((resolve) => setImmediate(resolve));
  const early = cache.find(id);
  rotate();
  turn(1999);
  expect(cache.find(id)).toBe(early);
  turn(1);
  const late = cache.find(id);
  expect(late).not.toBe(early);
  // Lookups are made one after the other.
  for (let n = 0; n < 2; n += 1) {
    asked.shift()?.();
    await settle();
  }
  expect(await early).toMatchObject({ currentSecret: 'first' });
  expect(await late).toMatchObject({ currentSecret: 'second' });
  expect(cache.find(id)).toMatchObject({ currentSecret: 'second' });
});

test('an id that cannot be one is not asked for', () => {
  const { cache, asked } = newCache();
  expect(cache.find('no-uuid')).toBeNull();
  expect(asked).toHaveLength(0);
});
