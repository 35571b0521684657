/** Secrets, tokens and limits that change around a webhook which is registered already. */
import { systemClock } from '@pilotfish/kernel';
import { tables } from '@pilotfish/store';
import { expect, test } from 'vitest';
import {
  keep,
  makeDue,
  only,
  registrable,
  registrations,
  secretAt,
  webhookOf,
} from './registering.ts';

test('while a secret is rotated a synchronization tells the provider one that counts', async () => {
  const { api, repository, serviceId } = await registrable();
  await keep(api);
  const { id } = await webhookOf(api);
  const rotated = await api.post(`/incomingWebhook/${id}/rotate`);
  repository.hooks[0]!.secret = 'changed';
  expect((await api.post(`/service/${serviceId}/gitWebhook/sync`)).status).toBe(200);
  expect(secretAt(repository.hooks[0])).toBe(rotated.body.secret);
  expect(await only(api)).toMatchObject({ secretVersion: 2 });
});

test('while a provider cannot be told the new secret, the old one counts on', async () => {
  const { api, provider } = await registrable();
  await keep(api);
  const { id } = await webhookOf(api);
  await api.post(`/incomingWebhook/${id}/rotate`);
  const soon = systemClock.now().add({ minutes: 30 });
  await api.store.tenant(api.context, (tx) =>
    tx.db.update(tables.incomingWebhooks).set({ previousSecretValidUntil: soon }),
  );
  provider.setOutage(503);
  await keep(api);
  const until = (await webhookOf(api)).previousSecretValidUntil;
  expect(until && Temporal.Instant.compare(until, soon)).toBe(1);

  // Where it refuses us, nobody can say for how long that would be.
  await api.store.tenant(api.context, (tx) =>
    tx.db.update(tables.incomingWebhooks).set({ previousSecretValidUntil: soon }),
  );
  provider.setOutage(403);
  await makeDue(api);
  await keep(api);
  expect((await webhookOf(api)).previousSecretValidUntil).toEqual(soon);
});

test('a provider that wants to be left alone is, by everything that uses the token', async () => {
  const { api, provider } = await registrable();
  const resetAt = systemClock.now().add({ seconds: 600 });
  provider.setLimit({ remaining: 0, resetAt });
  await keep(api);
  const asked = provider.requests.length;
  await makeDue(api);
  await keep(api);
  expect(provider.requests).toHaveLength(asked);
  provider.setLimit(null);
  await api.store.tenant(api.context, (tx) =>
    tx.db.update(tables.gitTokens).set({ pausedUntil: systemClock.now() }),
  );
  await makeDue(api);
  await keep(api);
  expect(await only(api)).toMatchObject({ state: 'ACTIVE' });
});

test('services that have another token now are registered with that one', async () => {
  const { api, scene, serviceId, repository, provider } = await registrable();
  await keep(api);
  const body = {
    name: 'new',
    type: 'GITHUB',
    token: provider.token,
    git_api_url: provider.apiUrl,
  };
  const created = await api.post(`/organization/${api.organizationId}/gitToken`, body);
  const { gitTokenId: before } = await only(api);
  const git = { url: repository.gitUrl, provider: 'GITHUB', branch: 'main' };
  const edit = {
    healthchecks: {},
    git_repository: { ...git, git_token_id: created.body.id },
  };
  const edited = await api.call({ method: 'PUT', url: `/application/${serviceId}`, body: edit });
  expect(edited.status).toBe(200);
  await keep(api);
  expect(await only(api)).toMatchObject({ gitTokenId: created.body.id, state: 'ACTIVE' });
  const url = `/organization/${api.organizationId}/gitToken/${before}`;
  expect((await api.call({ method: 'DELETE', url })).status).toBe(204);
  expect(await registrations(api)).toHaveLength(1);
  expect(scene.repository).toBeDefined();
});
