import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@pilotfish/kernel';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { officialClients } from './src/clients.ts';
import { createEnvironments, type TrackedEnvironment } from './src/environments.ts';
import { eventually, getPage, type Platform, startPlatform } from './src/index.ts';
import { ledgerApplication } from './src/ledger.ts';
import { scale } from './src/scale.ts';

const buildCount = scale({ small: 3, full: 10 });
const cancelMsMax = 2_000;

/**
 * Version 1 builds at once. The next ones ignore every signal that can be ignored, leave behind a
 * daemon that does so too (setsid, fork, setsid, away from the build's folder), and wait for `go`.
 */
const files = {
  ...ledgerApplication,
  'build.mjs': `import { spawn } from 'node:child_process';
import { copyFileSync, existsSync, readFileSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
for (const name of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.on(name, () => undefined);
copyFileSync('version', 'built');
if (readFileSync('version', 'utf8').trim() !== '1') {
  const daemon = [process.cwd() + '/daemon.mjs', 'first'];
  spawn(process.execPath, daemon, { detached: true, stdio: 'ignore' }).unref();
  while (!existsSync(process.env.LEDGER + '.go')) await setTimeout(20);
}
`,
  'daemon.mjs': `import { spawn } from 'node:child_process';
import { appendFileSync } from 'node:fs';
for (const name of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.on(name, () => undefined);
if (process.argv[2] === 'first') {
  const options = { detached: true, stdio: 'ignore', cwd: '/' };
  spawn(process.execPath, [process.argv[1], 'second'], options).unref();
  process.exit();
}
setInterval(() => appendFileSync(process.env.HEARTBEAT, '.'), 20);
`,
};

let platform: Platform;
let folder: string;
let environments: TrackedEnvironment[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pf-cancel-'));
  platform = await startPlatform({
    env: { GIT_SERVER_FOLLOW_SECONDS_MAX: '0', ENGINE_SLOTS: String(buildCount) },
  });
});

afterAll(async () => {
  for (const { copy } of environments) await copy[Symbol.asyncDispose]();
  await platform?.[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

/** Where the daemon of an environment's build says that it lives; also found in its environment. */
function heartbeatFile({ name }: TrackedEnvironment): string {
  return join(folder, `heartbeat-${name}`);
}

async function heartbeats(environment: TrackedEnvironment): Promise<number> {
  return await stat(heartbeatFile(environment)).then(
    ({ size }) => size,
    () => 0,
  );
}

/** Every process of this machine that inherited the environment's variables, zombies aside. */
function processesOf(environment: TrackedEnvironment): number[] {
  const marker = `HEARTBEAT=${heartbeatFile(environment)}\0`;
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => {
      if (!Number.isInteger(pid)) return false;
      try {
        return readFileSync(`/proc/${pid}/environ`, 'latin1').includes(marker);
      } catch {
        return false;
      }
    });
}

async function statusOf({ environmentId }: TrackedEnvironment): Promise<string> {
  const client = officialClients(platform.connection);
  return (await client.environment.getEnvironmentStatus(environmentId)).data.state;
}

async function serves(environment: TrackedEnvironment, version: string): Promise<void> {
  await eventually(`${environment.name} serves ${version}`, 60_000, async () => {
    const page = await getPage(environment.url());
    return page.text === version && (await statusOf(environment)) === 'DEPLOYED';
  });
}

async function stillBeats(environment: TrackedEnvironment): Promise<void> {
  const before = await heartbeats(environment);
  await eventually(`the build of ${environment.name} goes on`, 5_000, async () => {
    return (await heartbeats(environment)) > before;
  });
}

test('a cancel ends every process of one build within two seconds, and no other build', async () => {
  const client = officialClients(platform.connection);
  const ledgerFile = join(folder, 'ledger');
  environments = await createEnvironments(platform, buildCount, ledgerFile, {
    name: 'cancel',
    files,
  });
  for (const environment of environments) {
    await client.variables.createVariable({
      key: 'HEARTBEAT',
      value: heartbeatFile(environment),
      is_secret: false,
      variable_scope: 'APPLICATION',
      variable_parent_id: environment.applicationId,
    });
    await environment.pushNewVersion();
  }
  for (const environment of environments) await serves(environment, '1');
  const serving = new Map(environments.map((one) => [one, new Set(processesOf(one))]));
  const building = (one: TrackedEnvironment) =>
    processesOf(one).filter((pid) => !serving.get(one)?.has(pid));

  for (const environment of environments) await environment.pushNewVersion();
  for (const environment of environments) await stillBeats(environment);

  const [canceled, ...others] = environments;
  if (canceled === undefined) throw new Error('no environment');
  expect(building(canceled).length).toBeGreaterThanOrEqual(2);
  const askedMs = systemClock.monotonicMs();
  await client.environmentActions.cancelEnvironmentDeployment(canceled.environmentId);
  await eventually('nothing of the build is left', 10_000, async () => {
    return building(canceled).length === 0;
  });
  expect(systemClock.monotonicMs() - askedMs).toBeLessThan(cancelMsMax);
  const last = await heartbeats(canceled);

  await Promise.all(others.map(stillBeats));
  expect(await heartbeats(canceled)).toBe(last);
  await eventually('the status is CANCELED', 10_000, async () => {
    return (await statusOf(canceled)) === 'CANCELED';
  });
  const { data } = await client.history.listEnvironmentDeploymentHistoryV2(canceled.environmentId);
  expect(data.results?.[0]).toMatchObject({ status: 'CANCELED', trigger_action: 'DEPLOY' });
  expect(await getPage(canceled.url())).toEqual({ status: 200, text: '1' });
  expect(new Set(processesOf(canceled))).toEqual(serving.get(canceled));

  await writeFile(`${ledgerFile}.go`, '');
  for (const environment of others) await serves(environment, '2');
  await canceled.pushNewVersion();
  await serves(canceled, '3');
  // What a build that succeeded left running in the background ends with it, too.
  for (const environment of environments) {
    const before = await heartbeats(environment);
    await stillServes(environment);
    expect(await heartbeats(environment)).toBe(before);
  }
}, 300_000);

/** Long enough for many beats of a daemon that was forgotten. */
async function stillServes(environment: TrackedEnvironment): Promise<void> {
  for (let look = 0; look < 5; look += 1) {
    await systemClock.sleep(20);
    expect((await getPage(environment.url())).text).toBe(environment.headVersion());
  }
}
