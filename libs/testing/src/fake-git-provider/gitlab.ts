import { notFound, numberedPage } from './paging.ts';
import {
  type Dialect,
  type FakeAnswer,
  type FakeAttempt,
  type FakeHook,
  type FakeRepository,
  type FakeRequest,
  type FakeWorld,
  isSwitchedOff,
  newHook,
  textOf,
} from './world.ts';

const paging = { size: 'per_page', sizeDefault: 20, sizeMax: 100 };
const hookEvents = ['push_events', 'tag_push_events', 'merge_requests_events'];

/** https://docs.gitlab.com/api/rest, v4. */
export const gitlab: Dialect = async (world, request) => {
  const [root, path, collection, ...rest] = request.segments;
  if (root === 'user' && path === undefined) {
    return {
      status: 200,
      body: { id: 1, username: world.login, name: 'A user', state: 'active', locked: false },
    };
  }
  if (root === 'personal_access_tokens' && path === 'self') {
    return {
      status: 200,
      body: {
        id: 4,
        name: 'A token',
        revoked: false,
        created_at: '2026-01-01T00:00:00.000Z',
        scopes: ['api'],
        user_id: 1,
        last_used_at: '2026-11-01T00:00:00.000Z',
        active: true,
        expires_at: '2099-01-01',
      },
    };
  }
  if (root !== 'projects') return undefined;
  const repository = world.repositories.get(path ?? '');
  if (repository === undefined) return { status: 404, body: { message: '404 Project Not Found' } };
  if (collection === 'hooks') return await answerHooks(world, repository, request, rest);
  if (collection === 'repository' && rest[0] === 'branches' && rest.length === 1) {
    const branches = [...repository.branches].map(([name, id]) => ({
      name,
      commit: { id, short_id: id.slice(0, 8), title: 'A commit', parent_ids: [] },
      merged: false,
      protected: false,
      developers_can_push: false,
      developers_can_merge: false,
      can_push: true,
      default: name === 'main',
      web_url: `${repository.gitUrl}/-/tree/${name}`,
    }));
    const { lines, headers } = numberedPage(branches, request, paging);
    return { status: 200, body: lines, headers };
  }
  if (collection === 'statuses' && request.method === 'POST') {
    return setStatus(world, repository, request, rest[0] ?? '');
  }
  return undefined;
};

function setStatus(
  world: FakeWorld,
  repository: FakeRepository,
  { body }: FakeRequest,
  sha: string,
): FakeAnswer {
  const status = {
    sha,
    state: textOf(body.state),
    context: textOf(body.name),
    description: textOf(body.description),
    url: textOf(body.target_url),
  };
  if (!['pending', 'running', 'success', 'failed', 'canceled'].includes(status.state)) {
    return { status: 400, body: { error: 'state does not have a valid value' } };
  }
  const last = repository.statuses.findLast(
    (each) => each.sha === sha && each.context === status.context,
  );
  if (last?.state === status.state && status.state === 'pending') {
    const message =
      'Cannot transition status via :enqueue from :pending (Reason(s): Status cannot transition via "enqueue")';
    return { status: 400, body: { message } };
  }
  repository.statuses.push(status);
  return {
    status: 201,
    body: {
      id: world.nextNumber(),
      sha,
      ref: 'main',
      status: status.state,
      name: status.context,
      target_url: status.url,
      description: status.description,
      created_at: '2026-11-01T00:00:00.000Z',
      started_at: null,
      finished_at: null,
      allow_failure: false,
      coverage: null,
      author: { id: 1, username: world.login, name: 'A user', state: 'active' },
    },
  };
}

async function answerHooks(
  world: FakeWorld,
  repository: FakeRepository,
  request: FakeRequest,
  [hookId, part, eventId, verb]: readonly string[],
): Promise<FakeAnswer | undefined> {
  const { method, body } = request;
  if (hookId === undefined) {
    if (method === 'GET') {
      const { lines, headers } = numberedPage(repository.hooks, request, paging);
      return { status: 200, body: lines.map(gitlabHook), headers };
    }
    const hook = newHook(world);
    change(hook, { push_events: true, ...body });
    repository.hooks.push(hook);
    return { status: 201, body: gitlabHook(hook) };
  }
  const hook = repository.hooks.find((each) => String(each.id) === hookId);
  if (hook === undefined) return notFound;
  if (part === 'events' && eventId === undefined) {
    const { lines, headers } = numberedPage(hook.attempts.toReversed(), request, paging);
    return { status: 200, body: lines.map((attempt) => gitlabEvent(hook, attempt)), headers };
  }
  if (part === 'events' && verb === 'resend' && method === 'POST') {
    const attempt = hook.attempts.find(({ id }) => String(id) === eventId);
    if (attempt === undefined) return notFound;
    const { status } = await world.attempt(hook, { ...attempt, isRedelivery: true });
    if (status === null) return { status: 422, body: { message: 'Failed to open TCP connection' } };
    return { status: 201, body: { response_status: status } };
  }
  if (part === 'test' && method === 'POST') return await testHook(world, repository, hook);
  if (part !== undefined) return undefined;
  if (method === 'DELETE') {
    repository.hooks.splice(repository.hooks.indexOf(hook), 1);
    return { status: 204 };
  }
  if (method === 'PUT') change(hook, body);
  return { status: 200, body: gitlabHook(hook) };
}

async function testHook(
  world: FakeWorld,
  { branches }: FakeRepository,
  hook: FakeHook,
): Promise<FakeAnswer> {
  if (branches.size === 0) {
    return { status: 422, body: { message: 'Ensure the project has at least one commit.' } };
  }
  const what = { eventId: `test-${world.nextNumber()}`, event: 'Push Hook', body: '{}' };
  const { status } = await world.attempt(hook, { ...what, isRedelivery: false });
  if (status === null) return { status: 422, body: { message: 'Failed to open TCP connection' } };
  return { status: 201, body: { message: '201 Created' } };
}

/** A secret that is not sent stays. */
function change(hook: FakeHook, body: Record<string, unknown>): void {
  if (body.url !== undefined) hook.url = textOf(body.url);
  if (body.token !== undefined) hook.secret = textOf(body.token);
  if (body.signing_token !== undefined) hook.signingToken = textOf(body.signing_token);
  for (const name of hookEvents) {
    if (typeof body[name] !== 'boolean') continue;
    hook.events = hook.events.filter((event) => event !== name);
    if (body[name]) hook.events.push(name);
  }
}

function gitlabHook(hook: FakeHook) {
  const has = (event: string) => hook.events.includes(event);
  return {
    id: hook.id,
    url: hook.url,
    name: null,
    description: null,
    project_id: 3,
    push_events: has('push_events'),
    push_events_branch_filter: '',
    branch_filter_strategy: 'wildcard',
    tag_push_events: has('tag_push_events'),
    merge_requests_events: has('merge_requests_events'),
    issues_events: false,
    note_events: false,
    job_events: false,
    pipeline_events: false,
    wiki_page_events: false,
    deployment_events: false,
    releases_events: false,
    repository_update_events: false,
    enable_ssl_verification: true,
    alert_status: isSwitchedOff(hook) ? 'disabled' : 'executable',
    disabled_until: null,
    url_variables: [],
    created_at: '2026-11-01T00:00:00.000Z',
    custom_webhook_template: null,
    custom_headers: [],
    token_present: hook.secret !== '',
    signing_token_present: hook.signingToken !== '',
  };
}

function gitlabEvent(hook: FakeHook, { id, eventId, event, body, status }: FakeAttempt) {
  return {
    id: Number(id),
    url: hook.url,
    trigger: 'push_hooks',
    request_headers: {
      'Content-Type': 'application/json',
      'User-Agent': 'GitLab/18.5.0',
      'Idempotency-Key': eventId,
      'X-Gitlab-Event': event,
      'X-Gitlab-Token': '[REDACTED]',
    },
    request_data: JSON.parse(body),
    response_headers: {},
    response_body: '',
    execution_duration: 1.09,
    response_status: status === null ? 'internal error' : String(status),
  };
}
