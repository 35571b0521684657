import { z } from 'zod';
import { type ApiClient, type ApiClientDeps, anything, createApiClient } from './api-client.ts';
import { type EventNames, fromNative, toNative } from './hook-events.ts';
import { encodeRepository } from './locate-repository.ts';
import { pageSize, pagesMax } from './pages.ts';
import type { CallOptions, GitProvider, HookWish, ProviderHook } from './provider.ts';

const name = 'Bitbucket';

const eventNames: EventNames = {
  push: ['repo:push'],
  pull_request: [
    'pullrequest:created',
    'pullrequest:updated',
    'pullrequest:fulfilled',
    'pullrequest:rejected',
  ],
};

const User = z.object({
  username: z.string().nullish(),
  nickname: z.string().nullish(),
  display_name: z.string().nullish(),
});

const Hook = z.object({
  uuid: z.string(),
  url: z.string(),
  active: z.boolean(),
  events: z.array(z.string()),
  secret_set: z.boolean().nullish(),
});

const HookPage = z.object({ values: z.array(Hook), next: z.string().nullish() });

/**
 * Bitbucket Cloud (REST, 2.0). A user's API token goes with the e-mail address or name of its user,
 * as `name:token`; an access token of a repository, project or workspace stands alone.
 */
export function createBitbucket(token: string, deps: ApiClientDeps): GitProvider {
  const authorization = token.includes(':')
    ? `Basic ${Buffer.from(token).toString('base64')}`
    : `Bearer ${token}`;
  const client = createApiClient(name, { authorization }, deps);
  const of = (repository: string) => `/repositories/${encodeRepository(repository)}`;
  const hook = (repository: string, id: string) =>
    `${of(repository)}/hooks/${encodeURIComponent(id)}`;
  return {
    kind: 'BITBUCKET',
    whoIs: (options) => whoIs(client, options),
    listHooks: (repository, options) => listHooks(client, `${of(repository)}/hooks`, options),
    async createHook(repository, wish, options) {
      const call = { ...options, method: 'POST', body: hookBody(wish) } as const;
      return toHook(await client.read(`${of(repository)}/hooks`, Hook, call));
    },
    async updateHook(repository, hookId, wish, options) {
      const path = hook(repository, hookId);
      // It takes all events or none.
      const { events } = await client.read(path, Hook, options);
      const call = { ...options, method: 'PUT', body: hookBody(wish, events) } as const;
      return toHook(await client.read(path, Hook, call));
    },
    async deleteHook(repository, hookId, options) {
      const call = { ...options, method: 'DELETE', expected: [404] } as const;
      await client.request(hook(repository, hookId), anything, call);
    },
    async setCommitStatus(repository, commitSha, { state, context, description, url }, options) {
      const path = `${of(repository)}/commit/${commitSha}/statuses/build`;
      const body = {
        key: context.slice(0, 40),
        name: context.slice(0, 255),
        state: states[state],
        description: description.slice(0, 255),
        url,
      };
      await client.request(path, anything, { ...options, method: 'POST', body });
    },
    deliveries: null,
    heads: null,
  };
}

const states = {
  pending: 'INPROGRESS',
  success: 'SUCCESSFUL',
  failure: 'FAILED',
  canceled: 'STOPPED',
} as const;

async function whoIs(client: ApiClient, options?: CallOptions) {
  // An access token works and is no user: Bitbucket then refuses this one question.
  const answer = await client.request('/user', User, { ...options, expected: [401, 403] });
  if (answer.status === 401) return null;
  const { username, nickname, display_name } = answer.data ?? {};
  const scopes = answer.headers['x-oauth-scopes'];
  return {
    login: username ?? nickname ?? display_name ?? null,
    scopes: typeof scopes === 'string' ? scopes.split(/,\s*/) : null,
    expiresAt: null,
  };
}

async function listHooks(
  client: ApiClient,
  path: string,
  options?: CallOptions,
): Promise<readonly ProviderHook[]> {
  const hooks: ProviderHook[] = [];
  for (let page = 1; page <= pagesMax; page += 1) {
    const query = `?pagelen=${pageSize}&page=${page}`;
    const { values, next } = await client.read(`${path}${query}`, HookPage, options);
    hooks.push(...values.map(toHook));
    if (!next) break;
  }
  return hooks;
}

function hookBody({ url, secret, events, isActive }: HookWish, kept: readonly string[] = []) {
  return {
    description: 'Pilotfish',
    url,
    secret,
    active: isActive,
    events: toNative(eventNames, events, kept),
    skip_cert_verification: false,
  };
}

function toHook({ uuid, url, active, events, secret_set }: z.infer<typeof Hook>): ProviderHook {
  return {
    id: uuid,
    url,
    events: fromNative(eventNames, events),
    isActive: active,
    hasSecret: secret_set ?? null,
    isJson: true,
  };
}
