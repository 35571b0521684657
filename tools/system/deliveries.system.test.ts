import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type OutgoingDelivery, postDelivery, signDelivery } from '@pilotfish/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { callApi } from './src/api.ts';
import { officialClients } from './src/clients.ts';
import { createEnvironments, type TrackedEnvironment } from './src/environments.ts';
import { type GitHost, startGitHost } from './src/git-host.ts';
import { eventually, getPage, type Platform, startPlatform } from './src/index.ts';
import { readLedger } from './src/ledger.ts';
import { seededRandom } from './src/random.ts';
import { scale } from './src/scale.ts';

const pushCount = scale({ small: 5, full: 25 });
const copiesPerPush = scale({ small: 6, full: 20 });

interface Hook {
  id: string;
  url: string;
  secret: string;
}

interface DeliverySummary {
  id: string;
  provider_delivery_id: string;
  outcome: string;
  state: string;
}

let platform: Platform;
let folder: string;
let ledgerFile: string;
let gitHost: GitHost;
let hook: Hook;
let environment: TrackedEnvironment;
let repositoryUrl: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pf-deliveries-'));
  ledgerFile = join(folder, 'ledger');
  gitHost = await startGitHost();
  platform = await startPlatform({ env: { PILOTFISH_REPLICAS: '2' } });
  hook = await createHook('GITHUB');
  const [made] = await createEnvironments(platform, 1, ledgerFile, {
    name: 'delivered',
    async createRepository(name) {
      const repository = await gitHost.createRepository(name);
      repositoryUrl = repository.url;
      return repository;
    },
  });
  environment = made!;
});

afterAll(async () => {
  await environment?.copy[Symbol.asyncDispose]();
  await platform?.[Symbol.asyncDispose]();
  await gitHost?.[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

async function createHook(provider: OutgoingDelivery['provider']): Promise<Hook> {
  const { organizationId } = platform.connection;
  const path = `/organization/${organizationId}/incomingWebhook`;
  return await callApi<Hook>(platform.connection, 'POST', path, { name: provider, provider });
}

/** The hook's address at each replica of the gateway: the second's port is ten above the first's. */
function addresses(url: string): string[] {
  const second = new URL(url);
  second.port = String(Number(second.port) + 10);
  return [url, second.href];
}

function pushOf(commit: string, ref = 'refs/heads/main', url = repositoryUrl): string {
  return JSON.stringify({ ref, after: commit, repository: { clone_url: url } });
}

let posted = 0;

/** Posts to one of the replicas, in turn. @returns the id under which it was stored */
async function deliver(body: string, options: Partial<OutgoingDelivery> = {}): Promise<string> {
  posted += 1;
  const url = addresses(hook.url)[posted % 2] ?? '';
  const delivery = { provider: 'GITHUB', secret: hook.secret, body, ...options } as const;
  const answer = await postDelivery(url, delivery);
  expect(answer.status).toBe(202);
  return ((await answer.json()) as { id: string }).id;
}

async function outcomeOf(id: string): Promise<string> {
  return await eventually(`delivery ${id} is handled`, 60_000, async () => {
    const path = `/incomingWebhookDelivery/${id}`;
    const delivery = await callApi<DeliverySummary>(platform.connection, 'GET', path);
    return delivery.state === 'HANDLED' && delivery.outcome;
  });
}

async function state(): Promise<string> {
  const client = officialClients(platform.connection);
  return (await client.environment.getEnvironmentStatus(environment.environmentId)).data.state;
}

async function serves(version: string): Promise<void> {
  await eventually(`version ${version} serves`, 60_000, async () => {
    const page = await getPage(environment.url());
    return page.text === version && (await state()) === 'DEPLOYED';
  });
}

/** Every start that ever happened, in order. */
async function starts(): Promise<string[]> {
  return (await readLedger(ledgerFile)).map(({ version }) => version);
}

async function executionCount(): Promise<number> {
  const client = officialClients(platform.connection);
  const history = await client.history.listEnvironmentDeploymentHistoryV2(
    environment.environmentId,
    100,
  );
  return history.data.results?.length ?? 0;
}

/** Pushes the next version to the Git host, which tells nobody. @returns the commit */
async function pushQuietly(): Promise<string> {
  await environment.pushNewVersion();
  return await head();
}

async function head(): Promise<string> {
  return (await environment.copy.git('rev-parse', 'HEAD')).trim();
}

const requestedAlready = 'that commit was requested already';

test('a signed delivery deploys once, however often it comes, wherever and under whatever id', async () => {
  const commit = await pushQuietly();
  const deliveryId = randomUUID();
  const first = await deliver(pushOf(commit), { deliveryId });
  expect(await outcomeOf(first)).toBe(
    `Commit ${commit.slice(0, 8)} of branch main deploys delivered-0.`,
  );
  const again = Array.from({ length: 20 }, () => deliver(pushOf(commit), { deliveryId }));
  expect(new Set(await Promise.all(again))).toEqual(new Set([first]));

  const renamed = Array.from({ length: 10 }, () => deliver(pushOf(commit)));
  for (const id of await Promise.all(renamed)) {
    expect(await outcomeOf(id)).toContain(requestedAlready);
  }
  const path = `/incomingWebhookDelivery/${first}/replay`;
  const replayed = await callApi<DeliverySummary>(platform.connection, 'POST', path);
  expect(replayed.id).not.toBe(first);
  expect(await outcomeOf(replayed.id)).toContain(requestedAlready);

  await serves('1');
  expect(await starts()).toEqual(['1']);
  expect(await executionCount()).toBe(1);
});

test('deliveries of older commits that come late do not move the branch back', async () => {
  const older = await head();
  const between = await pushQuietly();
  const newest = await pushQuietly();
  // The newest is announced first, then what was pushed before it.
  const outcomes = [
    await outcomeOf(await deliver(pushOf(newest))),
    await outcomeOf(await deliver(pushOf(between))),
    await outcomeOf(await deliver(pushOf(older))),
  ];
  expect(outcomes[0]).toContain(`Commit ${newest.slice(0, 8)} of branch main deploys`);
  for (const late of outcomes.slice(1)) {
    expect(late).toContain(newest.slice(0, 8));
    expect(late).toContain(requestedAlready);
  }
  await serves('3');
  // Even the claim of a branch that is gone is checked before it is believed.
  const gone = await outcomeOf(await deliver(pushOf('0'.repeat(40))));
  expect(gone).toContain(requestedAlready);
  expect(await starts()).toEqual(['1', '3']);
});

test('a flood of duplicates in any order ends at the head and runs nothing twice', async () => {
  const random = seededRandom();
  const before = await starts();
  const sent: Promise<string>[] = [];
  const bodies: { body: string; deliveryId: string }[] = [];
  for (let push = 0; push < pushCount; push += 1) {
    bodies.push({ body: pushOf(await pushQuietly()), deliveryId: randomUUID() });
    for (let copy = 0; copy < copiesPerPush; copy += 1) {
      const one = bodies[Math.floor(random() * bodies.length)];
      if (one === undefined) continue;
      const isRenamed = random() < 0.5;
      sent.push(deliver(one.body, isRenamed ? {} : { deliveryId: one.deliveryId }));
    }
  }
  // Every push is announced at least once, the newest not last.
  for (const { body, deliveryId } of bodies.toReversed()) sent.push(deliver(body, { deliveryId }));
  for (const id of new Set(await Promise.all(sent))) await outcomeOf(id);
  await serves(environment.headVersion());

  const versions = (await starts()).slice(before.length).map(Number);
  expect(versions).toEqual([...new Set(versions)].sort((a, b) => a - b));
  expect(versions.at(-1)).toBe(Number(environment.headVersion()));
  expect(await executionCount()).toBe((await starts()).length);
});

test('forged deliveries and unknown webhooks are refused alike and leave no trace', async () => {
  const other = await createHook('GENERIC');
  const body = pushOf(await pushQuietly());
  const good = { provider: 'GITHUB', secret: hook.secret, body } as const;
  const forged: [string, OutgoingDelivery][] = [
    [hook.url, { ...good, secret: 'a guess' }],
    [hook.url, { ...good, secret: other.secret }],
    // Signed with the right secret, but in the way of another provider.
    [hook.url, { ...good, provider: 'GENERIC' }],
    [hook.url.replace(hook.id, randomUUID()), good],
    [hook.url.replace(hook.id, 'no-id'), good],
    [other.url, good],
  ];
  const answers = new Set<string>();
  for (const [url, delivery] of forged) {
    for (const address of addresses(url)) {
      const answer = await postDelivery(address, delivery);
      answers.add(`${answer.status} ${await answer.text()}`);
    }
  }
  // The right signature of another body.
  const headers = signDelivery({ ...good, body: `${body} ` });
  const changed = await fetch(hook.url, { method: 'POST', body, headers });
  answers.add(`${changed.status} ${await changed.text()}`);
  expect(answers.size).toBe(1);
  expect([...answers][0]).toMatch(/^401 /);

  const list = await callApi<{ results: DeliverySummary[] }>(
    platform.connection,
    'GET',
    `/incomingWebhook/${other.id}/delivery`,
  );
  expect(list.results).toEqual([]);
});

test('every delivery that starts nothing says exactly why', async () => {
  const commit = await head();
  const cases: [string, Partial<OutgoingDelivery>, RegExp][] = [
    ['{"zen": "x"}', { event: 'ping' }, /ping|test/i],
    ['{}', { event: 'issues' }, /Events of type "issues" start nothing/],
    ['{}', {}, /The body is not a push event of GITHUB/],
    ['no json', {}, /The body is not JSON/],
    [pushOf(commit, 'refs/tags/v1'), {}, /Tag v1 moved; services follow branches/],
    [pushOf(commit, 'refs/heads/other'), {}, /No service follows branch other/],
    [pushOf(commit, 'refs/heads/main', `${repositoryUrl}x`), {}, /No service follows branch main/],
  ];
  for (const [body, options, sentence] of cases) {
    expect(await outcomeOf(await deliver(body, options))).toMatch(sentence);
  }
});

test('a forced push, a deleted and a recreated branch are followed as Git tells them', async () => {
  const { copy } = environment;
  const current = await head();
  await outcomeOf(await deliver(pushOf(current)));
  await serves(environment.headVersion());
  const before = await starts();
  const older = (await copy.git('rev-parse', 'HEAD~2')).trim();
  const olderVersion = (await copy.git('show', `${older}:version`)).trim();

  // Back by force is a push like any other: Git says that the branch is there now.
  await copy.push('--quiet', '--force', 'origin', `${older}:main`);
  expect(await outcomeOf(await deliver(pushOf(older)))).toContain(
    `Commit ${older.slice(0, 8)} of branch main deploys`,
  );
  await serves(olderVersion);
  expect(await outcomeOf(await deliver(pushOf(current)))).toContain(requestedAlready);

  await copy.push('--quiet', 'origin', ':main');
  const deleted = await outcomeOf(await deliver(pushOf('0'.repeat(40))));
  expect(deleted).toBe('Branch main does not exist any more; what runs is left as it is.');
  // An old announcement of a branch that is gone brings nothing back either.
  expect(await outcomeOf(await deliver(pushOf(current)))).toBe(deleted);
  expect(await getPage(environment.url())).toEqual({ status: 200, text: olderVersion });

  // The same commit again is what runs already; the next one is deployed.
  await copy.push('--quiet', 'origin', `${older}:refs/heads/main`);
  expect(await outcomeOf(await deliver(pushOf(older)))).toContain(requestedAlready);
  const next = await pushQuietly();
  expect(await outcomeOf(await deliver(pushOf(next)))).toContain('deploys delivered-0');
  await serves(environment.headVersion());
  expect((await starts()).slice(before.length)).toEqual([olderVersion, environment.headVersion()]);
});
