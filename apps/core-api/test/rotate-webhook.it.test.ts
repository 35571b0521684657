/** What a delivery needs that is signed with a new secret: that every gateway takes it by then. */
import { type Clock, limits, systemClock } from '@pilotfish/kernel';
import { expect, test } from 'vitest';
import { openHookSecret } from '../src/handlers/hook-secret-text.ts';
import { testApi } from './api.ts';
import { Scene } from './operations/scene.ts';
import { keep, secretAt, webhookOf } from './registering.ts';

/** An API in which a test decides what happens while a handler waits. */
async function waiting() {
  const waits: ((delayMs: number) => unknown)[] = [];
  const sleep: Clock['sleep'] = async (delayMs) => void (await waits.shift()?.(delayMs));
  const api = await testApi({ clock: { ...systemClock, sleep } });
  const { repository } = await new Scene(api).registrable();
  await keep(api);
  const { id } = await webhookOf(api);
  return { api, repository, waits, rotate: () => api.post(`/incomingWebhook/${id}/rotate`) };
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
