import { type Clock, Fault, type IncomingWebhookId, newId, systemClock } from '@pilotfish/kernel';
import { expect, test } from 'vitest';
import { createHookCache, type Hook, secretsOf } from './hooks.ts';
import { signingSecret } from './providers/signing-secret.ts';

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

test('who tries ids does not keep the webhooks that exist from being asked for', async () => {
  const { cache, asked, answer, turn } = newCache();
  void cache.find(id);
  await answer();
  turn(1500);
  const tried = Array.from({ length: 4000 }, () => cache.find(newId()) as Promise<Hook | null>);
  const results = Promise.allSettled(tried);
  expect(cache.find(id)).toMatchObject({ id });
  // Those that are under way, and the round of which the webhook is a part.
  await answer();
  await answer();
  turn(1500);
  expect(cache.find(id)).toMatchObject({ id });
  while (asked.length > 0) await answer();
  expect((await results).filter(({ status }) => status === 'rejected').length).toBeGreaterThan(0);
});

test('as many ids are remembered as may be, those of webhooks and others, the newest', async () => {
  const { cache, asked, answer } = newCache();
  const ids = Array.from({ length: 10_001 }, () => newId<IncomingWebhookId>());
  for (const one of ids) {
    void cache.find(one);
    await answer();
  }
  expect(cache.find(ids[1]!)).toMatchObject({ id: ids[1] });
  expect(cache.find(ids[10_000]!)).toMatchObject({ id: ids[10_000] });
  expect(asked).toHaveLength(0);
  void cache.find(ids[0]!);
  expect(asked).toHaveLength(1);
  await answer();
});

test('an id of no webhook is remembered as well, and a failure is not', async () => {
  let fails = true;
  let asked = 0;
  const cache = createHookCache({
    clock: systemClock,
    async findHook() {
      asked += 1;
      if (fails) throw new Fault('unavailable', 'away');
      return null;
    },
  });
  await expect(cache.find(id)).rejects.toMatchObject({ code: 'unavailable' });
  fails = false;
  expect(await cache.find(id)).toBeNull();
  expect(cache.find(id)).toBeNull();
  expect(asked).toBe(2);
});

test('the other secret counts until the instant that was promised, and not at it', () => {
  const validUntil = Temporal.Instant.from('2026-11-29T12:00:00Z');
  const [currentSecret, secret] = [signingSecret('new'), signingSecret('old')];
  const hook = { currentSecret, other: { secret, validUntil } } as Partial<Hook> as Hook;
  expect(secretsOf(hook, validUntil.subtract({ milliseconds: 1 }))).toEqual([
    currentSecret,
    secret,
  ]);
  expect(secretsOf(hook, validUntil)).toEqual([currentSecret]);
});
