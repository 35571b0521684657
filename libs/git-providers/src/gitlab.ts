import { Fault } from '@pilotfish/kernel';
import { z } from 'zod';
import { type ApiClient, type ApiClientDeps, anything, createApiClient } from './api-client.ts';
import { type Attempt, collectFailed } from './failed-deliveries.ts';
import { nextQuery, pageSize, pagesMax, readPages } from './pages.ts';
import type {
  BranchHeads,
  CallOptions,
  CommitStatus,
  GitProvider,
  HookDeliveries,
  HookEvent,
  HookWish,
  ProviderHook,
} from './provider.ts';

const name = 'GitLab';

const User = z.object({ username: z.string() });

const OwnToken = z.object({
  scopes: z.array(z.string()).nullish(),
  expires_at: z.string().nullish(),
});

const Hook = z.object({
  id: z.number().transform(String),
  url: z.string(),
  push_events: z.boolean().nullish(),
  merge_requests_events: z.boolean().nullish(),
  /** `executable`, or that GitLab switched it off after failures; not told by old releases. */
  alert_status: z.string().nullish(),
  token_present: z.boolean().nullish(),
  signing_token_present: z.boolean().nullish(),
});

const Event = z.object({
  id: z.union([z.number(), z.string()]).transform(String),
  trigger: z.string(),
  request_headers: z.record(z.string(), z.unknown()).nullish(),
  /** A number, or a word as `internal error` where nobody answered. */
  response_status: z.union([z.string(), z.number()]).nullish().transform(String),
});

const Branch = z.object({ name: z.string(), commit: z.object({ id: z.string() }) });

/** Of a hundred events with their payloads an answer would be too long. */
const eventsPerPage = 20;

/** GitLab.com and self-managed GitLab (REST, v4). */
export function createGitLab(token: string, deps: ApiClientDeps): GitProvider {
  // Bearer is understood for every kind of token: personal, project, group and OAuth.
  const client = createApiClient(name, { authorization: `Bearer ${token}` }, deps);
  const hooks = (repository: string) => `${project(repository)}/hooks`;
  const hook = (repository: string, id: string) => `${hooks(repository)}/${encodeURIComponent(id)}`;
  return {
    kind: 'GITLAB',
    whoIs: (options) => whoIs(client, options),
    async listHooks(repository, options) {
      const call = { ...options, firstQuery: `?per_page=${pageSize}` };
      return (await readPages(client, hooks(repository), z.array(Hook), call)).map(toHook);
    },
    async createHook(repository, wish, options) {
      const call = { ...options, method: 'POST', body: hookBody(wish) } as const;
      return toHook(await client.read(hooks(repository), Hook, call));
    },
    async updateHook(repository, hookId, wish, options) {
      const path = hook(repository, hookId);
      const call = { ...options, method: 'PUT', body: hookBody(wish) } as const;
      const updated = toHook(await client.read(path, Hook, call));
      if (updated.isActive || !wish.isActive) return updated;
      // GitLab wakes a hook that it switched off once a test of it is answered with 2xx. Where the
      // test cannot be made (an empty project), the hook stays as the answer says.
      const test = { ...options, method: 'POST', expected: [400, 404, 422, 429] } as const;
      await client.request(`${path}/test/push_events`, anything, test);
      return toHook(await client.read(path, Hook, options));
    },
    async deleteHook(repository, hookId, options) {
      const call = { ...options, method: 'DELETE', expected: [404] } as const;
      await client.request(hook(repository, hookId), anything, call);
    },
    setCommitStatus: (repository, commitSha, status, options) =>
      setCommitStatus(client, `${project(repository)}/statuses/${commitSha}`, status, options),
    deliveries: createDeliveries(client, hook),
    heads: createHeads(client),
  };
}

/** The whole path is one segment. */
function project(repository: string): string {
  return `/projects/${encodeURIComponent(repository)}`;
}

async function whoIs(client: ApiClient, options?: CallOptions) {
  const user = await client.request('/user', User, { ...options, expected: [401] });
  if (user.data === undefined) return null;
  // An OAuth token has no such page.
  const own = await client.request('/personal_access_tokens/self', OwnToken, {
    ...options,
    expected: [400, 401, 403, 404],
  });
  const day = own.data?.expires_at;
  return {
    login: user.data.username,
    scopes: own.data?.scopes ?? null,
    // It ends as its last day begins, in UTC.
    expiresAt: day ? Temporal.Instant.from(`${day.slice(0, 10)}T00:00:00Z`) : null,
  };
}

function hookBody({ url, secret, events }: HookWish) {
  return {
    url,
    token: secret,
    // Releases that can sign do so as well; older ones leave out what they do not know.
    ...(/^whsec_[A-Za-z0-9+/]{43}=$/.test(secret) ? { signing_token: secret } : {}),
    // Every event has a switch of its own; what is not wanted here may be somebody else's wish.
    ...(events.includes('push') ? { push_events: true } : {}),
    ...(events.includes('pull_request') ? { merge_requests_events: true } : {}),
    enable_ssl_verification: true,
  };
}

function toHook(hook: z.infer<typeof Hook>): ProviderHook {
  const events: HookEvent[] = [];
  if (hook.push_events) events.push('push');
  if (hook.merge_requests_events) events.push('pull_request');
  const told = hook.token_present ?? hook.signing_token_present ?? null;
  return {
    id: hook.id,
    url: hook.url,
    events,
    isActive: (hook.alert_status ?? 'executable') === 'executable',
    hasSecret: told === null ? null : Boolean(hook.token_present || hook.signing_token_present),
    isJson: true,
  };
}

const states = {
  pending: 'pending',
  success: 'success',
  failure: 'failed',
  canceled: 'canceled',
} as const;

async function setCommitStatus(
  client: ApiClient,
  path: string,
  { state, context, description, url }: CommitStatus,
  options?: CallOptions,
): Promise<void> {
  const body = {
    state: states[state],
    name: context.slice(0, 255),
    description: description.slice(0, 255),
    target_url: url.slice(0, 255),
  };
  try {
    await client.request(path, anything, { ...options, method: 'POST', body });
  } catch (thrown) {
    // So GitLab answers to a status that is there already.
    const isThere = thrown instanceof Fault && /cannot transition status/i.test(thrown.detail);
    if (!isThere) throw thrown;
  }
}

function createDeliveries(
  client: ApiClient,
  hook: (repository: string, id: string) => string,
): HookDeliveries {
  return {
    async listFailed(repository, hookId, after, options) {
      const path = `${hook(repository, hookId)}/events`;
      let query: string | null = `?per_page=${eventsPerPage}`;
      const nextPage = async () => {
        if (query === null) return null;
        const answer = await client.request(`${path}${query}`, z.array(Event), options);
        query = nextQuery(answer.headers);
        return (answer.data ?? []).map(toAttempt);
      };
      const pages = (pagesMax * pageSize) / eventsPerPage;
      return await collectFailed(nextPage, after, pages);
    },
    async redeliver(repository, hookId, deliveryId, options) {
      const path = `${hook(repository, hookId)}/events/${encodeURIComponent(deliveryId)}/resend`;
      // It answers once the receiver did, and with 422 where the receiver could not be reached.
      await client.request(path, anything, { ...options, method: 'POST', expected: [422] });
    },
  };
}

function toAttempt({
  id,
  trigger,
  request_headers,
  response_status,
}: z.infer<typeof Event>): Attempt {
  const headers = new Map(
    Object.entries(request_headers ?? {}).map(([key, value]) => [key.toLowerCase(), value]),
  );
  const key = headers.get('idempotency-key');
  const status = /^[1-5]\d\d$/.test(response_status) ? Number(response_status) : null;
  return {
    id,
    eventId: typeof key === 'string' ? key : id,
    event: trigger,
    deliveredAt: null,
    status,
    isDelivered: status !== null && status >= 200 && status < 300,
  };
}

function createHeads(client: ApiClient): BranchHeads {
  return {
    async read(repository, etag, options) {
      const path = `${project(repository)}/repository/branches?per_page=${pageSize}`;
      const answer = await client.request(path, z.array(Branch), {
        ...options,
        headers: etag === null ? {} : { 'if-none-match': etag },
        expected: [304],
      });
      if (answer.data === undefined) return { kind: 'unchanged' };
      if (nextQuery(answer.headers) !== null) return { kind: 'too_many' };
      const heads = new Map(answer.data.map((branch) => [branch.name, branch.commit.id]));
      return { kind: 'read', heads, etag: answer.headers.etag ?? null };
    },
  };
}
