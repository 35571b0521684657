import { notFound, numberedPage } from './paging.ts';
import {
  type Dialect,
  type FakeAnswer,
  type FakeAttempt,
  type FakeHook,
  type FakeRepository,
  type FakeRequest,
  type FakeWorld,
  newHook,
  recordOf,
  textOf,
  textsOf,
} from './world.ts';

const paging = { size: 'per_page', sizeDefault: 30, sizeMax: 100 };

/** https://docs.github.com/en/rest, version 2022-11-28. */
export const github: Dialect = async (world, request) => {
  const [root, owner, name, collection, ...rest] = request.segments;
  if (root === 'user' && owner === undefined) {
    return {
      status: 200,
      body: { login: world.login, id: 1, node_id: 'MDQ6VXNlcjE=', type: 'User', site_admin: false },
      headers: {
        'x-oauth-scopes': 'repo, admin:repo_hook',
        'github-authentication-token-expiration': '2099-01-01 00:00:00 UTC',
      },
    };
  }
  if (root !== 'repos') return undefined;
  const repository = world.repositories.get(`${owner}/${name}`);
  if (repository === undefined) return notFound;
  if (collection === 'hooks') return await answerHooks(world, repository, request, rest);
  if (collection === 'branches' && rest.length === 0) {
    const branches = [...repository.branches].map(([branch, sha]) => ({
      name: branch,
      commit: { sha, url: `${request.address}/commits/${sha}` },
      protected: false,
    }));
    const { lines, headers } = numberedPage(branches, request, paging);
    return { status: 200, body: lines, headers };
  }
  if (collection === 'statuses' && request.method === 'POST') {
    const status = {
      sha: rest[0] ?? '',
      state: textOf(request.body.state),
      context: textOf(request.body.context),
      description: textOf(request.body.description),
      url: textOf(request.body.target_url),
    };
    if (!['pending', 'success', 'failure', 'error'].includes(status.state)) {
      return { status: 422, body: { message: 'Validation Failed', errors: ['State is wrong'] } };
    }
    if (status.description.length > 140) {
      const errors = [{ resource: 'Status', code: 'custom', message: 'description is too long' }];
      return { status: 422, body: { message: 'Validation Failed', errors } };
    }
    repository.statuses.push(status);
    return { status: 201, body: githubStatus(request, status, world) };
  }
  return undefined;
};

function githubStatus(
  { address }: FakeRequest,
  status: FakeRepository['statuses'][number],
  world: FakeWorld,
) {
  return {
    url: address,
    avatar_url: null,
    id: world.nextNumber(),
    node_id: 'MDY6U3RhdHVzMQ==',
    state: status.state,
    description: status.description,
    target_url: status.url,
    context: status.context,
    created_at: '2026-11-01T00:00:00Z',
    updated_at: '2026-11-01T00:00:00Z',
    creator: { login: world.login, id: 1 },
  };
}

async function answerHooks(
  world: FakeWorld,
  repository: FakeRepository,
  request: FakeRequest,
  [hookId, part, deliveryId, verb]: readonly string[],
): Promise<FakeAnswer | undefined> {
  const { method, body } = request;
  if (hookId === undefined) {
    if (method === 'GET') {
      const { lines, headers } = numberedPage(repository.hooks, request, paging);
      return { status: 200, body: lines.map(githubHook), headers };
    }
    const url = textOf(recordOf(body.config).url);
    if (repository.hooks.some((hook) => hook.url === url)) {
      const errors = [{ resource: 'Hook', code: 'custom', message: 'Hook already exists' }];
      return { status: 422, body: { message: 'Validation Failed', errors } };
    }
    const hook = newHook(world);
    change(hook, body);
    repository.hooks.push(hook);
    return { status: 201, body: githubHook(hook) };
  }
  const hook = repository.hooks.find((each) => String(each.id) === hookId);
  if (hook === undefined) return notFound;
  if (part === 'deliveries' && deliveryId === undefined) return deliveriesPage(hook, request);
  if (part === 'deliveries' && verb === 'attempts' && method === 'POST') {
    const attempt = hook.attempts.find(({ id }) => String(id) === deliveryId);
    if (attempt === undefined) return notFound;
    await world.attempt(hook, { ...attempt, isRedelivery: true });
    return { status: 202, body: {} };
  }
  if (part !== undefined) return undefined;
  if (method === 'DELETE') {
    repository.hooks.splice(repository.hooks.indexOf(hook), 1);
    return { status: 204 };
  }
  if (method === 'PATCH') change(hook, body);
  return { status: 200, body: githubHook(hook) };
}

/** A configuration that is sent replaces the whole of it: without a secret, the secret is gone. */
function change(hook: FakeHook, body: Record<string, unknown>): void {
  if (typeof body.active === 'boolean') hook.isActive = body.active;
  if (body.events !== undefined) hook.events = textsOf(body.events);
  hook.events = [...new Set([...hook.events, ...textsOf(body.add_events)])];
  if (body.config === undefined) return;
  const config = recordOf(body.config);
  hook.url = textOf(config.url);
  hook.secret = textOf(config.secret);
  hook.contentType = config.content_type === 'json' ? 'json' : 'form';
}

function githubHook(hook: FakeHook) {
  const last = hook.attempts.at(-1);
  return {
    type: 'Repository',
    id: hook.id,
    name: 'web',
    active: hook.isActive,
    events: hook.events,
    config: {
      content_type: hook.contentType,
      insecure_ssl: '0',
      ...(hook.secret === '' ? {} : { secret: '********' }),
      url: hook.url,
    },
    updated_at: '2026-11-01T00:00:00Z',
    created_at: '2026-11-01T00:00:00Z',
    url: `https://api.github.com/repos/o/r/hooks/${hook.id}`,
    test_url: `https://api.github.com/repos/o/r/hooks/${hook.id}/test`,
    ping_url: `https://api.github.com/repos/o/r/hooks/${hook.id}/pings`,
    deliveries_url: `https://api.github.com/repos/o/r/hooks/${hook.id}/deliveries`,
    last_response: { code: last?.status ?? null, status: 'unused', message: null },
  };
}

/** Newest first; the cursor is the delivery that begins the page. */
function deliveriesPage(hook: FakeHook, { query, address }: FakeRequest): FakeAnswer {
  const perPage = Math.min(Number(query.get('per_page') ?? '30'), 100);
  const newestFirst = hook.attempts.toReversed();
  const cursor = query.get('cursor');
  const start = cursor === null ? 0 : newestFirst.findIndex(({ id }) => `v1_${id}` === cursor);
  if (start < 0) return { status: 422, body: { message: 'The cursor is invalid' } };
  const page = newestFirst.slice(start, start + perPage);
  const following = newestFirst[start + perPage];
  const link = `<${address}?per_page=${perPage}&cursor=v1_${following?.id}>; rel="next"`;
  return {
    status: 200,
    body: page.map(githubDelivery),
    headers: following === undefined ? {} : { link },
  };
}

function githubDelivery({ id, eventId, at, isRedelivery, status, event }: FakeAttempt) {
  return {
    id,
    guid: eventId,
    delivered_at: at.toString(),
    redelivery: isRedelivery,
    duration: 0.03,
    status:
      status === null
        ? 'failed to connect'
        : status < 300
          ? 'OK'
          : `Invalid HTTP Response: ${status}`,
    status_code: status ?? 502,
    event,
    action: null,
    installation_id: null,
    repository_id: 1,
    throttled_at: null,
  };
}
