/** What a delivery needs that is signed with a new secret: that every gateway takes it by then. */
import { type Clock, limits, systemClock } from '@pilotfish/kernel';
import { createLogger } from '@pilotfish/runtime';
import { tables } from '@pilotfish/store';
import { expect, test } from 'vitest';
import { openHookSecret } from '../src/handlers/hook-secret-text.ts';
import { forgetNextSecrets } from '../src/reconcile/forget-next-secrets.ts';
import { type TestApi, testApi } from './api.ts';
import { Scene } from './operations/scene.ts';
import { keep, secretAt, webhookOf } from './registering.ts';

/** An API in which a test decides what happens while a handler waits. */
async function waiting() {
  const waits: ((delayMs: number) => unknown)[] = [];
  const sleep: Clock['sleep'] = async (delayMs) => void (await waits.shift()?.(delayMs));
  const api = await testApi({ clock: { ...systemClock, sleep } });
  const scene = new Scene(api);
  const { repository } = await scene.registrable();
  await keep(api);
  const { id } = await webhookOf(api);
  const rotateOne = (one: string) => api.post(`/incomingWebhook/${one}/rotate`);
  return { api, scene, repository, waits, rotateOne, rotate: () => rotateOne(id) };
}

test('a new secret is told to nobody before every gateway takes it', async () => {
  const { api, repository, waits, rotate } = await waiting();
  const before = await webhookOf(api);
  const secret = secretAt(repository.hooks[0]);
  let prepared: string | null = null;
  waits.push(async (delayMs) => {
    expect(delayMs).toBeGreaterThan(limits.webhookMemoryMs);
    const { nextSecretCiphertext, ...row } = await webhookOf(api);
    if (nextSecretCiphertext === null) return;
    prepared = await openHookSecret(api.keys, {
      ...row,
      secretCiphertext: nextSecretCiphertext,
      secretVersion: row.secretVersion + 1,
    });
    expect(row.secretCiphertext).toEqual(before.secretCiphertext);
    await keep(api);
    expect(secretAt(repository.hooks[0])).toBe(secret);
  });
  const rotated = await rotate();
  expect(rotated.status).toBe(200);
  expect(rotated.body.secret).toBe(prepared);
  expect(await webhookOf(api)).toMatchObject({
    secretVersion: 2,
    previousSecretCiphertext: before.secretCiphertext,
    nextSecretCiphertext: null,
  });
  await keep(api);
  expect(secretAt(repository.hooks[0])).toBe(prepared);
});

test('a rotation that died half-way took nothing, and the next one goes through', async () => {
  const { api, repository, waits, rotate } = await waiting();
  const secret = secretAt(repository.hooks[0]);
  waits.push(() => {
    throw new Error('killed');
  });
  expect((await rotate()).status).toBe(500);
  await keep(api);
  expect(secretAt(repository.hooks[0])).toBe(secret);
  expect(await webhookOf(api)).toMatchObject({
    secretVersion: 1,
    previousSecretValidUntil: null,
  });
  const rotated = await rotate();
  expect(rotated.status).toBe(200);
  await keep(api);
  expect(secretAt(repository.hooks[0])).toBe(rotated.body.secret);
});

/** A look of the reconciler so many seconds from now. */
async function forgetIn({ store }: TestApi, seconds: number): Promise<void> {
  const clock = { ...systemClock, now: () => systemClock.now().add({ seconds }) };
  const logger = createLogger({ name: 'test', level: 'silent' });
  await forgetNextSecrets({ store, clock, logger });
}

test('what a rotation left that died is forgotten after a minute, of every webhook', async () => {
  const { api, scene, waits, rotate, rotateOne } = await waiting();
  const die = () => {
    throw new Error('killed');
  };
  waits.push(die, die);
  expect((await rotate()).status).toBe(500);
  expect((await rotateOne(await scene.webhook())).status).toBe(500);
  const left = async () => {
    const rows = await api.store.tenant(api.context, (tx) =>
      tx.db.select().from(tables.incomingWebhooks),
    );
    return rows.filter(({ nextSecretCiphertext }) => nextSecretCiphertext !== null).length;
  };
  await forgetIn(api, 50);
  expect(await left()).toBe(2);
  await forgetIn(api, 70);
  expect(await left()).toBe(0);
  expect((await rotate()).status).toBe(200);
});

test('a rotation that takes more than a minute is refused, and the secret stays', async () => {
  const { api, repository, waits, rotate } = await waiting();
  const secret = secretAt(repository.hooks[0]);
  waits.push(() => forgetIn(api, 70));
  const rotated = await rotate();
  expect(rotated.status).toBe(409);
  expect(rotated.body.secret).toBeUndefined();
  await keep(api);
  expect(secretAt(repository.hooks[0])).toBe(secret);
  expect(await webhookOf(api)).toMatchObject({ secretVersion: 1, nextSecretCiphertext: null });
});

test('of two rotations at the same time one goes through, and only its secret is told', async () => {
  const { api, repository, waits, rotate } = await waiting();
  const second = Promise.withResolvers<unknown>();
  waits.push(async () => second.resolve(await rotate()));
  const first = await rotate();
  expect(first.status).toBe(409);
  expect(first.body.secret).toBeUndefined();
  const told = await second.promise;
  await keep(api);
  expect(told).toMatchObject({ status: 200, body: { secret: secretAt(repository.hooks[0]) } });
});
