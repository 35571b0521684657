/** A private repository at a provider, with nothing entered there by hand: only a token is handed over. */
import { postDelivery } from '@pilotfish/testing';
import { type FakeGitProvider, fakeGitProvider } from '@pilotfish/testing/fake-git-provider';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { callApi } from './src/api.ts';
import { officialClients } from './src/clients.ts';
import { type GitHost, startGitHost } from './src/git-host.ts';
import { eventually, getPage, type Platform, startPlatform } from './src/index.ts';
import { holdDown } from './src/killer.ts';
import { cloneRepository, type WorkingCopy } from './src/repository.ts';
import { scale } from './src/scale.ts';

const path = 'acme/shop';
/** Deliveries before and after the provider has the new secret; those in between come on top. */
const deliveries = scale({ small: 25, full: 250 });
/** How often a provider is asked what it could not deliver. */
const gapHealingSeconds = scale({ small: 2, full: 60 });

let provider: FakeGitProvider;
let gitHost: GitHost;
let platform: Platform;
let copy: WorkingCopy;
let pageUrl: string;

beforeAll(async () => {
  provider = await fakeGitProvider('GITHUB');
  gitHost = await startGitHost({
    login: { username: 'x-access-token', password: provider.token },
    apiUrl: provider.apiUrl,
  });
  const { url, cloneUrl } = await gitHost.createRepository(path);
  provider.addRepository(path, url);
  platform = await startPlatform({
    env: {
      GIT_PROVIDER_PRIVATE_HOSTS: '127.0.0.1',
      GAP_HEALING_SECONDS: String(gapHealingSeconds),
    },
  });
  copy = await cloneRepository(platform.connection, cloneUrl);
  await copy.git('checkout', '--quiet', '-B', 'main');
  const { organizationId, clusterId } = platform.connection;
  const token = await callApi<{ id: string }>(
    platform.connection,
    'POST',
    `/organization/${organizationId}/gitToken`,
    {
      name: 'GitHub',
      type: 'GITHUB',
      token: provider.token,
      git_api_url: `${gitHost.origin}/api/v3`,
    },
  );
  const client = officialClients(platform.connection);
  const project = (await client.projects.createProject(organizationId, { name: 'private' })).data;
  const environment = (
    await client.environments.createEnvironment(project.id, { name: 'prod', cluster: clusterId })
  ).data;
  const application = (
    await client.applications.createApplication(environment.id, {
      name: 'shop',
      git_repository: { url, branch: 'main', provider: 'GITHUB', git_token_id: token.id },
      healthchecks: {},
      auto_deploy: true,
    })
  ).data;
  const links = (await client.application.listApplicationLinks(application.id)).data;
  pageUrl = links.results?.[0]?.url ?? '';
});

afterAll(async () => {
  await copy?.[Symbol.asyncDispose]();
  await platform?.[Symbol.asyncDispose]();
  await gitHost?.[Symbol.asyncDispose]();
  await provider?.close();
});

/** The one webhook of the repository, as soon as it is there. */
async function onlyHook() {
  return await eventually('the webhook is made', 60_000, async () => {
    const [hook, ...others] = provider.repository(path).hooks;
    expect(others).toEqual([]);
    return hook;
  });
}

test('a push to a private repository is live, and its commit says so at the provider', async () => {
  const hook = await onlyHook();
  expect(hook.url).toContain(platform.connection.webhookUrl);
  const sha = await copy.commit('index.html', () => '<h1>private</h1>');
  await copy.push('--quiet', 'origin', 'main');
  await provider.push(path, 'main', sha);
  const { statuses } = provider.repository(path);
  const final = await eventually('the provider is told', 120_000, async () =>
    statuses.find((status) => status.sha === sha && status.state !== 'pending'),
  );
  expect(final).toMatchObject({
    state: 'success',
    url: pageUrl,
    context: 'pilotfish/private/prod/shop',
  });
  expect((await getPage(pageUrl)).text).toContain('private');
});

test('a rotated secret reaches the provider without a lost delivery, core-api killed in between', async () => {
  const hook = await onlyHook();
  const before = hook.secret;
  const [sha = ''] = provider.repository(path).branches.values();
  const push = () => provider.push(path, 'main', sha);
  for (let n = 0; n < deliveries; n++) await push();
  const id = new URL(hook.url).pathname.split('/').at(-1);
  const url = `/incomingWebhook/${id}/rotate`;
  let isTold = false;
  const rotating = callApi<{ secret: string }>(platform.connection, 'POST', url);
  void rotating.finally(() => (isTold = true)).catch(() => undefined);
  // Deliveries all the while, so that the gateway remembers the webhook as it was.
  await eventually('the rotation is answered', 30_000, async () => {
    await push();
    return isTold;
  });
  const rotated = await rotating;
  const { secret } = rotated;
  const first = await postDelivery(hook.url, { provider: 'GITHUB', secret, body: '{}' });
  expect(first.status).toBe(202);
  for (const pid of (await platform.reload()).processes['core-api'] ?? []) {
    process.kill(pid, 'SIGKILL');
  }
  await eventually('the provider has the new secret', 60_000, async () => {
    await push();
    return hook.secret !== before;
  });
  expect(hook.secret).toBe(rotated.secret);
  for (let n = 0; n < deliveries; n++) await push();
  const refused = hook.attempts.filter(({ status }) => status !== 202);
  expect(refused).toEqual([]);
  expect(hook.attempts.length).toBeGreaterThan(2 * deliveries);
  expect(provider.repository(path).hooks).toHaveLength(1);
});

test('what the provider could not deliver while the gateway was down is sent again, and taken', async () => {
  const hook = await onlyHook();
  const [sha = ''] = provider.repository(path).branches.values();
  const gateway = holdDown(platform, 'webhook-gateway');
  // Of the first that fails the gateway may have died between storing and answering it.
  await eventually('the gateway is down', 30_000, async () => {
    await provider.push(path, 'main', sha);
    return hook.attempts.slice(-2).every(({ status }) => status === null);
  });
  await gateway.release();
  const failed = hook.attempts.filter(({ status }) => status === null).map((one) => one.eventId);
  const list = `/incomingWebhook/${new URL(hook.url).pathname.split('/').at(-1)}/delivery`;
  // And again where the gateway was not back yet.
  const deadlineMs = 30_000 + 2 * gapHealingSeconds * 1000;
  await eventually('what failed is in the inbox', deadlineMs, async () => {
    const { results } = await callApi<{ results: { provider_delivery_id: string }[] }>(
      platform.connection,
      'GET',
      list,
    );
    const stored = new Set(results.map((one) => one.provider_delivery_id));
    return failed.every((eventId) => stored.has(eventId));
  });
  expect(hook.attempts.filter((one) => one.isRedelivery && one.status === 202)).not.toEqual([]);
});
