/**
 * Answers in the shape in which the providers' documents show them, with their examples' kind of
 * values: GitHub REST 2022-11-28, GitLab REST v4 (19.1), Bitbucket Cloud REST 2.0, Gitea 1.23.
 */
import type { GitProviderKind } from '../src/index.ts';

const githubHook = {
  type: 'Repository',
  id: 12345678,
  name: 'web',
  active: true,
  events: ['push', 'pull_request'],
  config: {
    content_type: 'json',
    insecure_ssl: '0',
    secret: '********',
    url: 'https://example.com/webhook',
  },
  updated_at: '2019-06-03T00:57:16Z',
  created_at: '2019-06-03T00:57:16Z',
  url: 'https://api.github.com/repos/octocat/Hello-World/hooks/12345678',
  test_url: 'https://api.github.com/repos/octocat/Hello-World/hooks/12345678/test',
  ping_url: 'https://api.github.com/repos/octocat/Hello-World/hooks/12345678/pings',
  deliveries_url: 'https://api.github.com/repos/octocat/Hello-World/hooks/12345678/deliveries',
  last_response: { code: null, status: 'unused', message: null },
};

const githubDelivery = {
  id: 12345678,
  guid: '0b989ba4-242f-11e5-81e1-c7b6966d2516',
  delivered_at: '2019-06-03T00:57:16Z',
  redelivery: false,
  duration: 0.27,
  status: 'failed to connect',
  status_code: 502,
  event: 'push',
  action: null,
  installation_id: 123,
  repository_id: 456,
  throttled_at: '2019-06-03T00:57:16Z',
};

const gitlabHook = {
  id: 1,
  url: 'http://example.com/hook',
  name: 'Hook name',
  description: 'Hook description',
  project_id: 3,
  push_events: true,
  push_events_branch_filter: '',
  issues_events: true,
  confidential_issues_events: true,
  merge_requests_events: true,
  tag_push_events: true,
  note_events: true,
  confidential_note_events: true,
  job_events: true,
  pipeline_events: true,
  wiki_page_events: true,
  deployment_events: true,
  releases_events: true,
  milestone_events: true,
  feature_flag_events: true,
  enable_ssl_verification: true,
  repository_update_events: false,
  alert_status: 'executable',
  disabled_until: null,
  url_variables: [],
  created_at: '2012-10-12T17:04:47Z',
  resource_access_token_events: true,
  branch_filter_strategy: 'wildcard',
  custom_webhook_template: '{"event":"{{object_kind}}"}',
  custom_headers: [{ key: 'Authorization' }],
  token_present: false,
  signing_token_present: false,
};

const gitlabEvent = {
  id: 1,
  url: 'https://example.net/',
  trigger: 'push_hooks',
  request_headers: {
    'Content-Type': 'application/json',
    'User-Agent': 'GitLab/17.1.0-pre',
    'Idempotency-Key': '3a427872-00df-429c-9bc9-a9475de2efe4',
    'X-Gitlab-Event': 'Push Hook',
    'X-Gitlab-Webhook-UUID': '3c5c0404-c866-44bc-a5f6-452bb1bfc76e',
    'X-Gitlab-Instance': 'https://gitlab.example.com',
    'X-Gitlab-Event-UUID': '9cebe914-4827-408f-b014-cfa23a47a35f',
    'X-Gitlab-Token': '[REDACTED]',
  },
  request_data: {
    object_kind: 'push',
    event_name: 'push',
    before: '468abc807a2b2572f43e72c743b76cee6db24025',
    after: 'f15b32277d2c55c6c595845a87109b09c913c556',
    ref: 'refs/heads/master',
    ref_protected: true,
    checkout_sha: 'f15b32277d2c55c6c595845a87109b09c913c556',
    project: {
      id: 7,
      name: 'Flight',
      web_url: 'https://gitlab.example.com/flightjs/Flight',
      git_http_url: 'https://gitlab.example.com/flightjs/Flight.git',
      path_with_namespace: 'flightjs/Flight',
    },
    commits: [],
    total_commits_count: 3,
  },
  response_headers: { 'Content-Length': '16', Connection: 'close' },
  response_body: '{"success":false}',
  execution_duration: 1.0906479999999874,
  response_status: '500',
};

const bitbucketHook = {
  type: 'webhook_subscription',
  uuid: '{d9c1f5a0-0000-4000-8000-000000000001}',
  url: 'https://example.com/hook',
  description: 'A hook',
  subject_type: 'repository',
  subject: { type: 'repository' },
  active: true,
  created_at: '2019-06-03T00:57:16.000000Z',
  events: ['repo:push', 'issue:created'],
  secret_set: true,
  links: { self: { href: 'https://api.bitbucket.org/2.0/' } },
};

const giteaHook = {
  id: 7,
  type: 'gitea',
  branch_filter: '*',
  config: { content_type: 'json', url: 'https://example.com/hook' },
  events: ['push', 'pull_request'],
  authorization_header: '',
  active: true,
  updated_at: '2019-06-03T00:57:16Z',
  created_at: '2019-06-03T00:57:16Z',
};

export interface Recording {
  readonly user: object;
  readonly hook: object;
  /** Null where the provider has none. */
  readonly delivery: object | null;
  readonly branch: object | null;
  readonly status: object;
}

export const recorded: Readonly<Record<GitProviderKind, Recording>> = {
  GITHUB: {
    user: { login: 'octocat', id: 1, node_id: 'MDQ6VXNlcjE=', type: 'User', site_admin: false },
    hook: githubHook,
    delivery: githubDelivery,
    branch: {
      name: 'master',
      commit: {
        sha: 'c5b97d5ae6c19d5c5df71a34c7fbeeda2479ccbc',
        url: 'https://api.github.com/repos/octocat/Hello-World/commits/c5b97d5ae6c19d5c5df7',
      },
      protected: true,
    },
    status: {
      url: 'https://api.github.com/repos/octocat/Hello-World/statuses/6dcb09b5b57875f334f6',
      avatar_url: 'https://github.com/images/error/hubot_happy.gif',
      id: 1,
      node_id: 'MDY6U3RhdHVzMQ==',
      state: 'success',
      description: 'Build has completed successfully',
      target_url: 'https://ci.example.com/1000/output',
      context: 'continuous-integration/jenkins',
      created_at: '2012-07-20T01:19:13Z',
      updated_at: '2012-07-20T01:19:13Z',
      creator: { login: 'octocat', id: 1 },
    },
  },
  GITLAB: {
    user: { id: 1, username: 'john_smith', name: 'John Smith', state: 'active', locked: false },
    hook: gitlabHook,
    delivery: gitlabEvent,
    branch: {
      name: 'main',
      merged: false,
      protected: true,
      default: true,
      developers_can_push: false,
      developers_can_merge: false,
      can_push: true,
      web_url: 'https://gitlab.example.com/my-group/my-project/-/tree/main',
      commit: {
        id: '7b5c3cc8be40ee161ae89a06bba6229da1032a0c',
        short_id: '7b5c3cc',
        title: 'add projects API',
        parent_ids: ['4ad91d3c1144c406e50c7b33bae684bd6837faf8'],
      },
    },
    status: {
      author: { id: 28, username: 'janedoe', name: 'Jane Doe', state: 'active' },
      name: 'default',
      sha: '18f3e63d05582537db6d183d9d557be09e1f90c8',
      status: 'success',
      coverage: 100.0,
      description: null,
      id: 93,
      target_url: null,
      ref: null,
      started_at: null,
      created_at: '2016-01-19T09:05:50.355Z',
      allow_failure: false,
      finished_at: '2016-01-19T09:05:50.365Z',
    },
  },
  BITBUCKET: {
    user: {
      type: 'user',
      uuid: '{c788b2da-b7a2-404c-9e26-d3f077557007}',
      nickname: 'evzijst',
      display_name: 'Erik van Zijst',
      account_id: '557058:c0b72ad0-1cb5-4018-9cdc-0cde8492c443',
      links: {},
    },
    hook: bitbucketHook,
    delivery: null,
    branch: null,
    status: {
      type: 'build',
      key: 'MY-BUILD',
      state: 'SUCCESSFUL',
      name: 'Unit tests',
      description: '42 tests passed',
      url: 'https://ci.example.com/42',
      refname: 'main',
      created_on: '2019-06-03T00:57:16.000000+00:00',
      updated_on: '2019-06-03T00:57:16.000000+00:00',
      links: { self: { href: 'https://api.bitbucket.org' }, commit: { href: 'https://x.org' } },
    },
  },
  GITEA: {
    user: { id: 3, login: 'jane', full_name: 'Jane', is_admin: false },
    hook: giteaHook,
    delivery: null,
    branch: null,
    status: {
      id: 1,
      status: 'success',
      target_url: 'https://ci.example.com/42',
      description: 'ok',
      url: 'https://gitea.example.com/api/v1/repos/o/r/statuses/0000',
      context: 'ci',
      creator: { id: 3, login: 'jane' },
      created_at: '2019-06-03T00:57:16Z',
      updated_at: '2019-06-03T00:57:16Z',
    },
  },
};
