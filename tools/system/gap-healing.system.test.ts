/** What happens to pushes whose webhooks never arrive, on a Git host that does not send them again. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@pilotfish/kernel';
import { postDelivery } from '@pilotfish/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { callApi } from './src/api.ts';
import { createEnvironments, type TrackedEnvironment } from './src/environments.ts';
import { type GitHost, startGitHost } from './src/git-host.ts';
import { eventually, getPage, type Platform, startPlatform } from './src/index.ts';
import { holdDown } from './src/killer.ts';
import { readLedger } from './src/ledger.ts';
import { seededRandom } from './src/random.ts';
import { scale } from './src/scale.ts';

const environmentCount = scale({ small: 2, full: 10 });
const pushCount = scale({ small: 20, full: 200 });
const downSeconds = scale({ small: 2, full: 60 });
/** Of the platform. The default, a minute, is what is promised. */
const gapHealingSeconds = scale({ small: 6, full: 60 });
const droppedShare = 0.3;
/** Of what is pushed, so much while the gateway is down; the rest before. */
const downShare = 0.4;
/** Between pushes while it is up: what 2 cores can deploy beside. */
const spacingMs = scale({ small: 0, full: 700 });
/** Of the gateway's return, and of a push of which nobody tells. */
const liveWithinMs = scale({ small: 20_000, full: 60_000 });

let platform: Platform;
let folder: string;
let gitHost: GitHost;
let hook: { url: string; secret: string };
let environments: TrackedEnvironment[];
/** Where the host serves the repository of each environment, by its name. */
const urls = new Map<string, string>();

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pf-gap-'));
  gitHost = await startGitHost();
  platform = await startPlatform({ env: { GAP_HEALING_SECONDS: String(gapHealingSeconds) } });
  const { organizationId } = platform.connection;
  const path = `/organization/${organizationId}/incomingWebhook`;
  const body = { name: 'somebody else’s host', provider: 'GITHUB' };
  hook = await callApi(platform.connection, 'POST', path, body);
  environments = await createEnvironments(platform, environmentCount, ledgerFile(), {
    name: 'gaps',
    async createRepository(name) {
      const repository = await gitHost.createRepository(name);
      urls.set(name, repository.url);
      return repository;
    },
  });
});

afterAll(async () => {
  for (const { copy } of environments ?? []) await copy[Symbol.asyncDispose]();
  await platform?.[Symbol.asyncDispose]();
  await gitHost?.[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

const ledgerFile = () => join(folder, 'ledger');

/** Calls the webhook once, as a host that does not try again. @returns whether it was taken */
async function announce({ copy, name }: TrackedEnvironment): Promise<boolean> {
  const after = (await copy.git('rev-parse', 'HEAD')).trim();
  const { secret } = hook;
  const repository = { clone_url: urls.get(name) };
  const push = JSON.stringify({ ref: 'refs/heads/main', after, repository });
  try {
    const answer = await postDelivery(hook.url, { provider: 'GITHUB', secret, body: push });
    await answer.body?.cancel();
    return answer.ok;
  } catch {
    return false;
  }
}

async function isLive(environment: TrackedEnvironment): Promise<boolean> {
  return (await getPage(environment.url())).text === environment.headVersion();
}

/** From now until the head of the branch serves. */
async function measureMs(environment: TrackedEnvironment, deadlineMs: number): Promise<number> {
  const startMs = systemClock.monotonicMs();
  await eventually(`${environment.name} serves its head`, deadlineMs, () => isLive(environment));
  return Math.round(systemClock.monotonicMs() - startMs);
}

async function healedPushes(): Promise<number> {
  const text = await (await fetch(`${platform.connection.apiUrl}/metrics`)).text();
  return Number(/^pilotfish_healed_pushes_total\{[^}]*\} (\d+)/m.exec(text)?.[1] ?? 0);
}

test('with webhooks dropped and the gateway down, every head is live soon after its return', async () => {
  const random = seededRandom();
  for (const environment of environments) {
    await environment.pushNewVersion();
    expect(await announce(environment)).toBe(true);
  }
  for (const environment of environments) await measureMs(environment, 120_000);
  const pushesDown = Math.round(pushCount * downShare);
  let dropped = 0;
  let refused = 0;
  const push = async (index: number) => {
    const environment = environments[index % environments.length]!;
    await environment.pushNewVersion();
    if (random() < droppedShare) dropped += 1;
    else if (!(await announce(environment))) refused += 1;
  };
  for (let index = 0; index < pushCount - pushesDown; index += 1) {
    await push(index);
    await systemClock.sleep(spacingMs);
  }
  expect(refused).toBe(0);
  const gateway = holdDown(platform, 'webhook-gateway');
  const beganMs = systemClock.monotonicMs();
  for (let index = 0; index < pushesDown; index += 1) {
    await push(index);
    const nextMs = beganMs + ((index + 1) / pushesDown) * downSeconds * 1000;
    await systemClock.sleep(Math.max(0, nextMs - systemClock.monotonicMs()));
  }
  await gateway.release();
  await eventually('the gateway is back', 60_000, async () => {
    return (await fetch(new URL('/health/ready', hook.url))).ok;
  });
  const times = await Promise.all(environments.map((each) => measureMs(each, liveWithinMs)));
  // Nothing was announced while it was down, so what is live was found.
  expect(refused).toBeGreaterThan(0);
  expect(await healedPushes()).toBeGreaterThan(0);
  const started = (await readLedger(ledgerFile())).map(
    (line) => `${line.environment} ${line.version}`,
  );
  expect(started.toSorted()).toEqual([...new Set(started)].toSorted());
  process.stdout.write(
    `gap healing: ${pushCount} pushes, ${dropped} webhooks dropped, ${refused} refused, gateway down ${downSeconds} s; heads live after ${times.join(', ')} ms\n`,
  );
}, 600_000);

test('a push of which nobody ever tells is live soon after the push', async () => {
  const [environment] = environments as [TrackedEnvironment];
  const before = await healedPushes();
  await environment.pushNewVersion();
  const ms = await measureMs(environment, liveWithinMs);
  expect(await healedPushes()).toBe(before + 1);
  process.stdout.write(`gap healing: a push without any webhook is live after ${ms} ms\n`);
});
