import { notFound } from './paging.ts';
import {
  type Dialect,
  type FakeAnswer,
  type FakeHook,
  type FakeRepository,
  type FakeRequest,
  type FakeWorld,
  newHook,
  textOf,
  textsOf,
} from './world.ts';

/** https://developer.atlassian.com/cloud/bitbucket/rest, 2.0. */
export const bitbucket: Dialect = async (world, request) => {
  const [root, workspace, slug, collection, ...rest] = request.segments;
  if (root === 'user' && workspace === undefined) {
    return {
      status: 200,
      body: {
        type: 'user',
        uuid: '{7d0a8b0e-0000-4000-8000-000000000001}',
        nickname: world.login,
        display_name: 'A user',
        account_id: '557058:1',
        links: {},
      },
      headers: { 'x-oauth-scopes': 'repository, webhook' },
    };
  }
  if (root !== 'repositories') return undefined;
  const repository = world.repositories.get(`${workspace}/${slug}`);
  if (repository === undefined) return notFound;
  if (collection === 'hooks') return answerHooks(world, repository, request, rest);
  const [sha = '', statuses, build] = rest;
  if (collection === 'commit' && statuses === 'statuses' && build === 'build') {
    return setStatus(repository, request, sha);
  }
  return undefined;
};

function setStatus(
  repository: FakeRepository,
  { body, address }: FakeRequest,
  sha: string,
): FakeAnswer {
  const status = {
    sha,
    state: textOf(body.state),
    context: textOf(body.key),
    description: textOf(body.description),
    url: textOf(body.url),
  };
  const isKnown = ['INPROGRESS', 'SUCCESSFUL', 'FAILED', 'STOPPED'].includes(status.state);
  if (!isKnown || status.context === '' || status.context.length > 40 || status.url === '') {
    const error = { message: 'Bad request', fields: { key: ['required, at most 40 characters'] } };
    return { status: 400, body: { type: 'error', error } };
  }
  repository.statuses.push(status);
  return {
    status: 201,
    body: {
      type: 'build',
      key: status.context,
      state: status.state,
      name: textOf(body.name),
      description: status.description,
      url: status.url,
      refname: null,
      created_on: '2026-11-01T00:00:00.000000+00:00',
      updated_on: '2026-11-01T00:00:00.000000+00:00',
      links: { self: { href: address }, commit: { href: address } },
    },
  };
}

function answerHooks(
  world: FakeWorld,
  repository: FakeRepository,
  request: FakeRequest,
  [uuid]: readonly string[],
): FakeAnswer | undefined {
  const { method, body, query, address } = request;
  if (uuid === undefined) {
    if (method === 'GET') {
      const length = Math.min(Number(query.get('pagelen') ?? '10'), 100);
      const page = Number(query.get('page') ?? '1');
      const values = repository.hooks.slice((page - 1) * length, page * length);
      const hasMore = page * length < repository.hooks.length;
      const next = `${address}?pagelen=${length}&page=${page + 1}`;
      const size = repository.hooks.length;
      const shown = values.map((hook) => bitbucketHook(hook, address));
      return {
        status: 200,
        body: { values: shown, pagelen: length, size, page, ...(hasMore ? { next } : {}) },
      };
    }
    const hook = newHook(world);
    change(hook, body);
    repository.hooks.push(hook);
    return { status: 201, body: bitbucketHook(hook, address) };
  }
  const hook = repository.hooks.find((each) => each.uuid === uuid);
  if (hook === undefined) return notFound;
  if (method === 'DELETE') {
    repository.hooks.splice(repository.hooks.indexOf(hook), 1);
    return { status: 204 };
  }
  if (method === 'PUT') change(hook, body);
  return { status: 200, body: bitbucketHook(hook, address) };
}

/** A secret that is not sent stays; null removes it. */
function change(hook: FakeHook, body: Record<string, unknown>): void {
  hook.url = textOf(body.url);
  hook.events = textsOf(body.events);
  hook.isActive = body.active !== false;
  if (body.secret !== undefined) hook.secret = textOf(body.secret);
}

function bitbucketHook(hook: FakeHook, address: string) {
  return {
    type: 'webhook_subscription',
    uuid: hook.uuid,
    url: hook.url,
    description: 'Pilotfish',
    subject_type: 'repository',
    subject: { type: 'repository' },
    active: hook.isActive,
    created_at: '2026-11-01T00:00:00.000000Z',
    events: hook.events,
    secret_set: hook.secret !== '',
    links: { self: { href: address } },
  };
}
