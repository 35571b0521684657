import { z } from 'zod';
import { type ApiClient, type ApiClientDeps, anything, createApiClient } from './api-client.ts';
import { type Attempt, collectFailed } from './failed-deliveries.ts';
import { type EventNames, fromNative, toNative } from './hook-events.ts';
import { encodeRepository } from './locate-repository.ts';
import { nextQuery, pageSize, pagesMax, readPages } from './pages.ts';
import type {
  BranchHeads,
  GitProvider,
  HookDeliveries,
  HookWish,
  ProviderHook,
} from './provider.ts';

const name = 'GitHub';

const eventNames: EventNames = { push: ['push'], pull_request: ['pull_request'] };

/** Ids as texts: those of deliveries do not fit into a double. */
const Id = z.union([z.number(), z.string()]).transform(String);

const User = z.object({ login: z.string() });

const Hook = z.object({
  id: Id,
  active: z.boolean(),
  events: z.array(z.string()),
  config: z.object({
    url: z.string().optional(),
    secret: z.string().optional(),
    content_type: z.string().optional(),
  }),
});

const Delivery = z.object({
  id: Id,
  guid: z.string(),
  delivered_at: z.string(),
  status_code: z.number(),
  event: z.string(),
});

const Branch = z.object({ name: z.string(), commit: z.object({ sha: z.string() }) });

/** GitHub and GitHub Enterprise Server (REST, 2022-11-28). */
export function createGitHub(token: string, deps: ApiClientDeps): GitProvider {
  const client = createApiClient(name, { authorization: `Bearer ${token}` }, deps);
  const headers = {
    accept: 'application/vnd.github+json',
    'x-github-api-version': '2022-11-28',
  };
  const hooks = (repository: string) => `/repos/${encodeRepository(repository)}/hooks`;
  const hook = (repository: string, id: string) => `${hooks(repository)}/${encodeURIComponent(id)}`;
  return {
    kind: 'GITHUB',
    async whoIs(options) {
      const answer = await client.request('/user', User, { ...options, headers, expected: [401] });
      if (answer.data === undefined) return null;
      return {
        login: answer.data.login,
        scopes: scopesOf(answer.headers['x-oauth-scopes']),
        expiresAt: expiryOf(answer.headers['github-authentication-token-expiration']),
      };
    },
    async listHooks(repository, options) {
      const call = { ...options, headers, firstQuery: `?per_page=${pageSize}` };
      return (await readPages(client, hooks(repository), z.array(Hook), call)).map(toHook);
    },
    async createHook(repository, wish, options) {
      const body = { name: 'web', ...hookBody(wish) };
      const call = { ...options, headers, method: 'POST', body } as const;
      return toHook(await client.read(hooks(repository), Hook, call));
    },
    async updateHook(repository, hookId, wish, options) {
      const { events, ...body } = hookBody(wish);
      const change = { ...body, add_events: events };
      const call = { ...options, headers, method: 'PATCH', body: change } as const;
      return toHook(await client.read(hook(repository, hookId), Hook, call));
    },
    async deleteHook(repository, hookId, options) {
      const call = { ...options, headers, method: 'DELETE', expected: [404] } as const;
      await client.request(hook(repository, hookId), anything, call);
    },
    async setCommitStatus(repository, commitSha, { state, context, description, url }, options) {
      const path = `/repos/${encodeRepository(repository)}/statuses/${commitSha}`;
      const body = {
        state: state === 'canceled' ? 'error' : state,
        context,
        description: description.slice(0, 140),
        target_url: url,
      };
      await client.request(path, anything, { ...options, headers, method: 'POST', body });
    },
    deliveries: createDeliveries(client, hook, headers),
    heads: createHeads(client, headers),
  };
}

function hookBody({ url, secret, events, isActive }: HookWish) {
  return {
    active: isActive,
    events: toNative(eventNames, events),
    config: { url, secret, content_type: 'json', insecure_ssl: '0' },
  };
}

function toHook({ id, active, events, config }: z.infer<typeof Hook>): ProviderHook {
  return {
    id,
    url: config.url ?? '',
    events: events.includes('*') ? ['push', 'pull_request'] : fromNative(eventNames, events),
    isActive: active,
    hasSecret: config.secret !== undefined && config.secret !== '',
    isJson: config.content_type !== 'form',
  };
}

function createDeliveries(
  client: ApiClient,
  hook: (repository: string, id: string) => string,
  headers: Readonly<Record<string, string>>,
): HookDeliveries {
  return {
    async listFailed(repository, hookId, after, options) {
      const path = `${hook(repository, hookId)}/deliveries`;
      // Pages are named by cursors that GitHub alone can make: they stand in the Link header.
      let query: string | null = `?per_page=${pageSize}`;
      const nextPage = async () => {
        if (query === null) return null;
        const call = { ...options, headers };
        const answer = await client.request(`${path}${query}`, z.array(Delivery), call);
        query = nextQuery(answer.headers);
        return (answer.data ?? []).map(toAttempt);
      };
      return await collectFailed(nextPage, after, pagesMax);
    },
    async redeliver(repository, hookId, deliveryId, options) {
      const path = `${hook(repository, hookId)}/deliveries/${encodeURIComponent(deliveryId)}/attempts`;
      await client.request(path, anything, { ...options, headers, method: 'POST' });
    },
  };
}

function toAttempt({
  id,
  guid,
  event,
  delivered_at,
  status_code,
}: z.infer<typeof Delivery>): Attempt {
  return {
    id,
    eventId: guid,
    event,
    deliveredAt: Temporal.Instant.from(delivered_at),
    status: status_code === 0 ? null : status_code,
    isDelivered: status_code >= 200 && status_code < 300,
  };
}

function createHeads(client: ApiClient, headers: Readonly<Record<string, string>>): BranchHeads {
  return {
    async read(repository, etag, options) {
      const path = `/repos/${encodeRepository(repository)}/branches?per_page=${pageSize}`;
      const answer = await client.request(path, z.array(Branch), {
        ...options,
        headers: { ...headers, ...(etag === null ? {} : { 'if-none-match': etag }) },
        expected: [304],
      });
      if (answer.data === undefined) return { kind: 'unchanged' };
      if (nextQuery(answer.headers) !== null) return { kind: 'too_many' };
      const heads = new Map(answer.data.map((branch) => [branch.name, branch.commit.sha]));
      return { kind: 'read', heads, etag: answer.headers.etag ?? null };
    },
  };
}

/** A fine-grained token has no scopes, and the header is not there. */
function scopesOf(header: string | string[] | undefined): string[] | null {
  if (typeof header !== 'string') return null;
  return header
    .split(',')
    .map((scope) => scope.trim())
    .filter((scope) => scope !== '');
}

/** Written as `2026-12-01 00:00:00 UTC`, or with an offset. */
function expiryOf(header: string | string[] | undefined): Temporal.Instant | null {
  if (typeof header !== 'string') return null;
  const match = /^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d) (UTC|[+-]\d{4})$/.exec(header);
  if (match === null) return null;
  return Temporal.Instant.from(`${match[1]}T${match[2]}${match[3] === 'UTC' ? 'Z' : match[3]}`);
}
