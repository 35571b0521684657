import { z } from 'zod';
import { type ApiClientDeps, anything, createApiClient } from './api-client.ts';
import { type EventNames, fromNative, toNative } from './hook-events.ts';
import { encodeRepository } from './locate-repository.ts';
import { readPages } from './pages.ts';
import type { GitProvider, HookWish, ProviderHook } from './provider.ts';

const name = 'Gitea';

const eventNames: EventNames = { push: ['push'], pull_request: ['pull_request'] };

/** The server's own limit, unless its operator raised it. */
const giteaPageSize = 50;

const User = z.object({ login: z.string() });

const Hook = z.object({
  id: z.number().transform(String),
  active: z.boolean(),
  events: z.array(z.string()),
  config: z.record(z.string(), z.string()),
});

/** Gitea and Forgejo (REST, v1). */
export function createGitea(token: string, deps: ApiClientDeps): GitProvider {
  const client = createApiClient(name, { authorization: `token ${token}` }, deps);
  const hooks = (repository: string) => `/repos/${encodeRepository(repository)}/hooks`;
  const hook = (repository: string, id: string) => `${hooks(repository)}/${encodeURIComponent(id)}`;
  return {
    kind: 'GITEA',
    async whoIs(options) {
      const answer = await client.request('/user', User, { ...options, expected: [401, 403] });
      if (answer.status === 401) return null;
      // Without the scope `read:user` a token works all the same.
      return { login: answer.data?.login ?? null, scopes: null, expiresAt: null };
    },
    async listHooks(repository, options) {
      const call = { ...options, firstQuery: `?limit=${giteaPageSize}` };
      return (await readPages(client, hooks(repository), z.array(Hook), call)).map(toHook);
    },
    async createHook(repository, wish, options) {
      const body = { type: 'gitea', ...hookBody(wish) };
      const call = { ...options, method: 'POST', body } as const;
      return toHook(await client.read(hooks(repository), Hook, call));
    },
    async updateHook(repository, hookId, wish, options) {
      const path = hook(repository, hookId);
      // It takes all events or none.
      const { events } = await client.read(path, Hook, options);
      const call = { ...options, method: 'PATCH', body: hookBody(wish, events) } as const;
      return toHook(await client.read(path, Hook, call));
    },
    async deleteHook(repository, hookId, options) {
      const call = { ...options, method: 'DELETE', expected: [404] } as const;
      await client.request(hook(repository, hookId), anything, call);
    },
    async setCommitStatus(repository, commitSha, { state, context, description, url }, options) {
      const path = `/repos/${encodeRepository(repository)}/statuses/${commitSha}`;
      const word = state === 'canceled' ? 'error' : state;
      const body = { state: word, context, description, target_url: url };
      await client.request(path, anything, { ...options, method: 'POST', body });
    },
    deliveries: null,
    heads: null,
  };
}

function hookBody({ url, secret, events, isActive }: HookWish, kept: readonly string[] = []) {
  return {
    active: isActive,
    events: toNative(eventNames, events, kept),
    config: { url, secret, content_type: 'json' },
  };
}

function toHook({ id, active, events, config }: z.infer<typeof Hook>): ProviderHook {
  return {
    id,
    url: config.url ?? '',
    events: fromNative(eventNames, events),
    isActive: active,
    hasSecret: null,
    isJson: config.content_type !== 'form',
  };
}
