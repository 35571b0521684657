import { notFound, numberedPage } from './paging.ts';
import {
  type Dialect,
  type FakeAnswer,
  type FakeHook,
  type FakeRepository,
  type FakeRequest,
  type FakeWorld,
  newHook,
  recordOf,
  textOf,
  textsOf,
} from './world.ts';

const paging = { size: 'limit', sizeDefault: 30, sizeMax: 50 };

/** https://docs.gitea.com/api, v1; Forgejo's is the same in these parts. */
export const gitea: Dialect = async (world, request) => {
  const [root, owner, name, collection, ...rest] = request.segments;
  if (root === 'user' && owner === undefined) {
    return { status: 200, body: { id: 1, login: world.login, full_name: '', is_admin: false } };
  }
  if (root !== 'repos') return undefined;
  const repository = world.repositories.get(`${owner}/${name}`);
  if (repository === undefined) return notFound;
  if (collection === 'hooks') return answerHooks(world, repository, request, rest);
  if (collection === 'statuses' && request.method === 'POST') {
    return setStatus(world, repository, request, rest[0] ?? '');
  }
  return undefined;
};

function setStatus(
  world: FakeWorld,
  repository: FakeRepository,
  { body, address }: FakeRequest,
  sha: string,
): FakeAnswer {
  const status = {
    sha,
    state: textOf(body.state),
    context: textOf(body.context),
    description: textOf(body.description),
    url: textOf(body.target_url),
  };
  if (!['pending', 'success', 'error', 'failure', 'warning'].includes(status.state)) {
    return { status: 400, body: { message: 'unknown state' } };
  }
  repository.statuses.push(status);
  return {
    status: 201,
    body: {
      id: world.nextNumber(),
      status: status.state,
      target_url: status.url,
      description: status.description,
      url: address,
      context: status.context,
      creator: { id: 1, login: world.login },
      created_at: '2026-11-01T00:00:00Z',
      updated_at: '2026-11-01T00:00:00Z',
    },
  };
}

function answerHooks(
  world: FakeWorld,
  repository: FakeRepository,
  request: FakeRequest,
  [hookId]: readonly string[],
): FakeAnswer | undefined {
  const { method, body } = request;
  if (hookId === undefined) {
    if (method === 'GET') {
      const { lines, headers } = numberedPage(repository.hooks, request, paging);
      return { status: 200, body: lines.map(giteaHook), headers };
    }
    if (body.type !== 'gitea') return { status: 422, body: { message: 'Invalid hook type' } };
    const hook = newHook(world);
    hook.isActive = false; // Unless told: so the API's default says.
    change(hook, body);
    repository.hooks.push(hook);
    return { status: 201, body: giteaHook(hook) };
  }
  const hook = repository.hooks.find((each) => String(each.id) === hookId);
  if (hook === undefined) return notFound;
  if (method === 'DELETE') {
    repository.hooks.splice(repository.hooks.indexOf(hook), 1);
    return { status: 204 };
  }
  if (method === 'PATCH') change(hook, body);
  return { status: 200, body: giteaHook(hook) };
}

function change(hook: FakeHook, body: Record<string, unknown>): void {
  if (typeof body.active === 'boolean') hook.isActive = body.active;
  if (body.events !== undefined) hook.events = textsOf(body.events);
  const config = recordOf(body.config);
  if (config.url !== undefined) hook.url = textOf(config.url);
  if (config.secret !== undefined) hook.secret = textOf(config.secret);
  if (config.content_type !== undefined) {
    hook.contentType = config.content_type === 'json' ? 'json' : 'form';
  }
}

/** The secret is never shown, and whether there is one is not either. */
function giteaHook(hook: FakeHook) {
  return {
    id: hook.id,
    type: 'gitea',
    branch_filter: '',
    config: { content_type: hook.contentType, url: hook.url },
    events: hook.events,
    authorization_header: '',
    active: hook.isActive,
    updated_at: '2026-11-01T00:00:00Z',
    created_at: '2026-11-01T00:00:00Z',
  };
}
