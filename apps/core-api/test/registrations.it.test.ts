import { tables } from '@pilotfish/store';
import { eq } from 'drizzle-orm';
import { describe, expect, test } from 'vitest';
import type { KeepRegistrationsDeps } from '../src/registrations/keep-registrations.ts';
import {
  audit,
  deleteService,
  keep,
  kinds,
  makeDue,
  only,
  registrable,
  registrations,
  secretAt,
  secretOf,
  webhookOf,
} from './registering.ts';

describe.each(kinds)('%s', (kind) => {
  test('a repository that is followed with a token gets one webhook, mended when it is changed', async () => {
    const { api, repository } = await registrable(kind);
    await keep(api);
    const [hook] = repository.hooks;
    expect(repository.hooks).toHaveLength(1);
    const row = await only(api);
    expect(row).toMatchObject({ state: 'ACTIVE', isAdopted: false, lastError: '', failures: 0 });
    expect(hook?.url).toBe(`${api.webhooksUrl}/webhook/${row.incomingWebhookId}`);
    expect(secretAt(hook)).toBe(await secretOf(api));
    expect(await audit(api)).toEqual(['git_webhook.made']);

    // GitLab switches on again only what a delivery of its own reaches, and there is nobody here.
    if (hook) Object.assign(hook, { events: [], isActive: kind === 'GITLAB' });
    await makeDue(api);
    await keep(api);
    expect(repository.hooks).toHaveLength(1);
    expect(repository.hooks[0]?.isActive).toBe(true);
    expect(repository.hooks[0]?.events).not.toEqual([]);
    expect(await audit(api)).toEqual(['git_webhook.made', 'git_webhook.mended']);
  });

  test('the status is asked of the provider, and a synchronization makes it right', async () => {
    const { api, repository, provider, serviceId } = await registrable(kind);
    const status = () => api.get(`/service/${serviceId}/gitWebhookStatus`);
    const wire = kind === 'GITEA' ? 'GITHUB' : kind;
    expect((await status()).body).toEqual({ status: 'NOT_CONFIGURED', provider: wire });
    const synced = await api.post(`/service/${serviceId}/gitWebhook/sync`);
    expect(synced.body).toEqual({ status: 'ACTIVE', provider: wire });
    expect((await status()).body).toEqual({ status: 'ACTIVE', provider: wire });
    const [hook] = repository.hooks;
    if (hook) hook.events = [];
    expect((await status()).body).toEqual({
      status: 'MISCONFIGURED',
      provider: wire,
      missing_events: ['push'],
    });
    expect((await api.post(`/service/${serviceId}/gitWebhook/sync`)).status).toBe(200);
    expect((await status()).body.status).toBe('ACTIVE');
    provider.setOutage(500);
    expect((await status()).body.status).toBe('UNABLE_TO_VERIFY');
    expect(repository.hooks).toHaveLength(1);
  });

  test('a secret or an address that was changed at the provider is set right by a synchronization', async () => {
    const { api, repository, serviceId } = await registrable(kind);
    await keep(api);
    const [hook] = repository.hooks;
    if (hook === undefined) throw new Error('there is a webhook');
    const { id, url } = hook;
    Object.assign(hook, { secret: 'changed', signingToken: '' });
    const sync = async () => {
      expect((await api.post(`/service/${serviceId}/gitWebhook/sync`)).body.status).toBe('ACTIVE');
      expect(repository.hooks).toMatchObject([{ id, url }]);
      expect(secretAt(repository.hooks[0])).toBe(await secretOf(api));
    };
    await sync();
    hook.url = 'https://elsewhere.example/hook';
    const { body } = await api.get(`/service/${serviceId}/gitWebhookStatus`);
    expect(body).toMatchObject({ status: 'MISCONFIGURED', missing_events: [] });
    await sync();
  });

  test('a new secret reaches the provider, however long that takes', async () => {
    const { api, repository, provider } = await registrable(kind);
    await keep(api);
    const before = await webhookOf(api);
    const rotated = await api.post(`/incomingWebhook/${before.id}/rotate`);
    provider.setOutage(503);
    await keep(api);
    expect(await only(api)).toMatchObject({ state: 'FAILING', failures: 1, secretVersion: 1 });
    expect(secretAt(repository.hooks[0])).not.toBe(rotated.body.secret);
    provider.setOutage(null);
    await makeDue(api);
    await keep(api);
    expect(await only(api)).toMatchObject({ state: 'ACTIVE', failures: 0, secretVersion: 2 });
    expect(secretAt(repository.hooks[0])).toBe(rotated.body.secret);
    expect(repository.hooks).toHaveLength(1);
  });
});

test.each(['GITHUB', 'GITEA'] as const)('a form is no payload that is kept: %s', async (kind) => {
  const { api, repository, serviceId } = await registrable(kind);
  await keep(api);
  repository.hooks[0]!.contentType = 'form';
  const status = () => api.get(`/service/${serviceId}/gitWebhookStatus`);
  expect((await status()).body.status).toBe('MISCONFIGURED');
  await makeDue(api);
  await keep(api);
  expect(repository.hooks).toMatchObject([{ contentType: 'json' }]);
  expect((await status()).body.status).toBe('ACTIVE');
});

test('what GitLab keeps switched off is not called kept', async () => {
  const { api, repository } = await registrable('GITLAB');
  await keep(api);
  if (repository.hooks[0]) repository.hooks[0].failuresInRow = 4;
  await makeDue(api);
  await keep(api);
  const { state, lastError } = await only(api);
  expect({ state, lastError }).toEqual({
    state: 'FAILING',
    lastError: expect.stringContaining('switched the webhook off'),
  });
});

test('a crash after the webhook was made leaves no second one', async () => {
  const { api, repository } = await registrable();
  const dying: KeepRegistrationsDeps['openGitProvider'] = async (token) => {
    const provider = await api.openGitProvider(token);
    return {
      ...provider,
      async createHook(...call) {
        await provider.createHook(...call);
        throw new Error('killed between the call and the commit');
      },
    };
  };
  await keep(api, { openGitProvider: dying });
  expect(repository.hooks).toHaveLength(1);
  expect(await only(api)).toMatchObject({ state: 'FAILING', providerHookId: null });
  await makeDue(api);
  await keep(api);
  expect(repository.hooks).toHaveLength(1);
  const { state, providerHookId } = await only(api);
  expect({ state, providerHookId }).toEqual({
    state: 'ACTIVE',
    providerHookId: String(repository.hooks[0]?.id),
  });
});

test('replicas that look at the same time make one webhook', async () => {
  const { api, scene, repository, gitTokenId } = await registrable();
  const second = await scene.environment('second');
  const url = repository.gitUrl;
  await api.post(`/environment/${second}/application`, {
    ...scene.applicationBody('other'),
    git_repository: { url, provider: 'GITHUB', branch: 'next', git_token_id: gitTokenId },
  });
  await Promise.all(Array.from({ length: 4 }, () => keep(api)));
  expect(repository.hooks).toHaveLength(1);
  expect(await registrations(api)).toHaveLength(1);
});

test('while one replica speaks to the provider, no other does', async () => {
  const { api, repository } = await registrable();
  const entered = Promise.withResolvers<void>();
  const gate = Promise.withResolvers<void>();
  const slow: KeepRegistrationsDeps['openGitProvider'] = async (token) => {
    const provider = await api.openGitProvider(token);
    return {
      ...provider,
      async createHook(...call) {
        entered.resolve();
        await gate.promise;
        return await provider.createHook(...call);
      },
    };
  };
  const first = keep(api, { openGitProvider: slow });
  await entered.promise;
  await makeDue(api);
  await keep(api);
  expect(repository.hooks).toHaveLength(0);
  gate.resolve();
  await first;
  expect(repository.hooks).toHaveLength(1);
});

test('where Pilotfish itself has another address now, the provider is told, and no second webhook made', async () => {
  const { api, repository, serviceId } = await registrable();
  await keep(api, { webhooksUrl: 'https://old.example' });
  expect(repository.hooks[0]?.url).toMatch(/^https:\/\/old\.example\/webhook\//);
  await makeDue(api);
  await keep(api);
  const { incomingWebhookId } = await only(api);
  const url = `${api.webhooksUrl}/webhook/${incomingWebhookId}`;
  expect(repository.hooks.map((hook) => hook.url)).toEqual([url]);
  await deleteService(api, serviceId);
  await keep(api, { webhooksUrl: 'https://third.example' });
  expect(repository.hooks).toEqual([]);
});

test('of two webhooks of ours at one repository one goes, and nobody else’s does', async () => {
  const { api, repository } = await registrable();
  await keep(api);
  const [hook] = repository.hooks;
  if (hook === undefined) throw new Error('there is a webhook');
  repository.hooks.push({ ...hook, id: hook.id + 100 });
  repository.hooks.push({ ...hook, id: hook.id + 101, url: 'https://ci.example/hook' });
  await makeDue(api);
  await keep(api);
  expect(repository.hooks.map(({ id }) => id)).toEqual([hook.id, hook.id + 101]);
});

test('the webhook goes with the last service that follows the repository, and nobody else’s does', async () => {
  const { api, scene, repository, gitTokenId, serviceId } = await registrable();
  const url = repository.gitUrl;
  const other = await api.post(`/environment/${await scene.environment('second')}/application`, {
    ...scene.applicationBody('other'),
    git_repository: { url, provider: 'GITHUB', branch: 'next', git_token_id: gitTokenId },
  });
  await keep(api);
  const [hook] = repository.hooks;
  if (hook) repository.hooks.push({ ...hook, id: hook.id + 1, url: 'https://ci.example/hook' });
  await deleteService(api, serviceId);
  await keep(api);
  expect(repository.hooks).toHaveLength(2);
  await deleteService(api, other.body.id);
  await keep(api);
  expect(repository.hooks.map((one) => one.url)).toEqual(['https://ci.example/hook']);
  expect(await registrations(api)).toEqual([]);
  expect(await audit(api)).toEqual(['git_webhook.made', 'git_webhook.removed']);
});

test('a service that is made while the webhook is removed has one all the same', async () => {
  const { api, scene, repository, gitTokenId, serviceId } = await registrable();
  await keep(api);
  const second = await scene.environment('second');
  await deleteService(api, serviceId);
  const overtaken: KeepRegistrationsDeps['openGitProvider'] = async (token) => {
    const provider = await api.openGitProvider(token);
    return {
      ...provider,
      async listHooks(...call) {
        const hooks = await provider.listHooks(...call);
        await api.post(`/environment/${second}/application`, {
          ...scene.applicationBody('other'),
          git_repository: {
            url: repository.gitUrl,
            provider: 'GITHUB',
            branch: 'next',
            git_token_id: gitTokenId,
          },
        });
        return hooks;
      },
    };
  };
  await keep(api, { openGitProvider: overtaken });
  expect(repository.hooks).toHaveLength(1);
  expect(await only(api)).toMatchObject({ state: 'ACTIVE', claimedUntil: null });
});

test('a webhook that somebody entered by hand is taken over, and stays when nobody needs it', async () => {
  const { api, repository, serviceId, provider, gitTokenId } = await registrable();
  const made = await api.post(`/organization/${api.organizationId}/incomingWebhook`, {
    name: 'by hand',
    provider: 'GITHUB',
  });
  const token = await api.store.tenant(api.context, (tx) =>
    tx.db
      .select()
      .from(tables.gitTokens)
      .where(eq(tables.gitTokens.id, gitTokenId as never)),
  );
  if (!token[0]) throw new Error('there is a token');
  const wish = { url: String(made.body.url), secret: 'other', events: ['push'], isActive: true };
  await (await api.openGitProvider(token[0])).createHook('acme/shop', wish as never);
  await keep(api);
  expect(repository.hooks).toHaveLength(1);
  expect(await only(api)).toMatchObject({ isAdopted: true, incomingWebhookId: made.body.id });
  expect(secretAt(repository.hooks[0])).toBe(made.body.secret);
  // Whoever entered it may send it elsewhere: it is not ours any more then.
  const [theirs] = repository.hooks;
  theirs!.url = 'https://elsewhere.example/hook';
  await makeDue(api);
  await keep(api);
  expect(repository.hooks.map(({ url }) => url)).toEqual([theirs!.url, made.body.url]);
  repository.hooks.shift();
  await deleteService(api, serviceId);
  const asked = provider.requests.length;
  await keep(api);
  expect(await registrations(api)).toEqual([]);
  expect(repository.hooks).toHaveLength(1);
  expect(provider.requests).toHaveLength(asked);
});

test('where its incoming webhook was deleted, another takes its place at the provider', async () => {
  const { api, repository } = await registrable();
  await keep(api);
  const before = await webhookOf(api);
  const gone = await api.call({ method: 'DELETE', url: `/incomingWebhook/${before.id}` });
  expect(gone.status).toBe(204);
  await keep(api);
  const after = await webhookOf(api);
  expect(after.id).not.toBe(before.id);
  expect(repository.hooks.map(({ url }) => url)).toEqual([
    `${api.webhooksUrl}/webhook/${after.id}`,
  ]);
  expect(secretAt(repository.hooks[0])).toBe(await secretOf(api));
});
