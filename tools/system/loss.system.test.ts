import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@pilotfish/kernel';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { officialClients } from './src/clients.ts';
import { openDatabaseBackup } from './src/database-backup.ts';
import { createEnvironments, type TrackedEnvironment } from './src/environments.ts';
import { eventually, getPage, type Platform, startPlatform } from './src/index.ts';
import { createKiller } from './src/killer.ts';
import { ledgerApplication, readLedger } from './src/ledger.ts';
import { answersGoneBack, startLoad } from './src/load.ts';
import { removeHome } from './src/platform.ts';
import { seededRandom } from './src/random.ts';
import { scale } from './src/scale.ts';
import { wipeNats } from './src/wipe-nats.ts';

const environmentCount = scale({ small: 3, full: 6 });
const wipeCount = scale({ small: 2, full: 8 });

/** Builds write into a ledger of their own, and wait while there is a file `hold`. */
const files = {
  ...ledgerApplication,
  'build.mjs': `import { appendFileSync, copyFileSync, existsSync, readFileSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
const version = readFileSync('version', 'utf8').trim();
const environment = process.env.LEDGER_NAME;
appendFileSync(process.env.LEDGER + '.builds', JSON.stringify({ environment, version }) + '\\n');
while (existsSync(process.env.LEDGER + '.hold')) await setTimeout(20);
copyFileSync('version', 'built');
`,
};

let platform: Platform;
let folder: string;
let ledgerFile: string;
const copies: TrackedEnvironment['copy'][] = [];

// With fewer slots than environments some tasks wait in the stream that is lost.
const env = { GIT_SERVER_FOLLOW_SECONDS_MAX: '0', ENGINE_SLOTS: '2' };

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pf-loss-'));
  ledgerFile = join(folder, 'ledger');
  platform = await startPlatform({ env });
});

afterAll(async () => {
  for (const copy of copies) await copy[Symbol.asyncDispose]();
  await platform?.[Symbol.asyncDispose]();
  if (platform) await removeHome(platform.home);
  await rm(folder, { recursive: true, force: true });
});

async function create(name: string, count: number): Promise<TrackedEnvironment[]> {
  const options = { name, files };
  const environments = await createEnvironments(platform, count, ledgerFile, options);
  copies.push(...environments.map(({ copy }) => copy));
  return environments;
}

async function versionsOf({ name }: TrackedEnvironment, file = ledgerFile): Promise<number[]> {
  const lines = await readLedger(file).catch(() => []);
  return lines
    .filter(({ environment }) => environment === name)
    .map(({ version }) => Number(version));
}

function buildsOf(environment: TrackedEnvironment): Promise<number[]> {
  return versionsOf(environment, `${ledgerFile}.builds`);
}

async function hold(): Promise<() => Promise<void>> {
  await writeFile(`${ledgerFile}.hold`, '');
  return () => rm(`${ledgerFile}.hold`);
}

async function isBuilding(environment: TrackedEnvironment): Promise<boolean> {
  return (await buildsOf(environment)).includes(Number(environment.headVersion()));
}

async function settles(environment: TrackedEnvironment): Promise<void> {
  const client = officialClients(platform.connection);
  await eventually(`${environment.name} runs the head of its branch`, 120_000, async () => {
    const page = await getPage(environment.url());
    if (page.text !== environment.headVersion()) return false;
    const status = (await client.environment.getEnvironmentStatus(environment.environmentId)).data;
    return status.state === 'DEPLOYED';
  });
}

function ascending(versions: readonly number[]): number[] {
  return [...new Set(versions)].sort((a, b) => a - b);
}

test('a wiped NATS loses no push and runs nothing twice', async () => {
  const random = seededRandom();
  const killer = createKiller(platform, random);
  const environments = await create('wiped', environmentCount);
  const release = await hold();
  for (const environment of environments) await environment.pushNewVersion();
  await eventually('every slot builds', 60_000, async () => {
    const building = await Promise.all(environments.map(isBuilding));
    return building.filter(Boolean).length === 2;
  });
  await Promise.all([
    wipeNats(platform, ['jetstream']),
    ...environments.map((environment) => environment.pushNewVersion()),
  ]);
  await release();

  for (let wipe = 1; wipe < wipeCount; wipe += 1) {
    await systemClock.sleep(Math.floor(random() * 1_500));
    const pushes = environments.map((environment) => environment.pushNewVersion());
    await systemClock.sleep(Math.floor(random() * 300));
    // It may not have heard of what the engine took (reissue.system.test.ts makes sure of that).
    await killer.strike('core-api');
    await Promise.all([wipeNats(platform, ['jetstream', 'resolver']), ...pushes]);
  }

  await Promise.all(environments.map(settles));
  for (const environment of environments) {
    const started = await versionsOf(environment);
    expect(started, `starts of ${environment.name}`).toEqual(ascending(started));
    expect(started.at(-1)).toBe(Number(environment.headVersion()));
    const built = await buildsOf(environment);
    expect(built, `builds of ${environment.name}`).toEqual(ascending(built));
  }
}, 600_000);

test('a restored old database goes on under a raised epoch and deletes nothing', async () => {
  const environments = await create('restored', 2);
  const [first, second] = environments;
  if (first === undefined || second === undefined) throw new Error('no environments');
  for (const environment of environments) await environment.pushNewVersion();
  for (const environment of environments) await settles(environment);

  // The backup is taken while the first one's second version is being built.
  const backup = await openDatabaseBackup(platform);
  const endFirstBuild = await hold();
  await first.pushNewVersion();
  await eventually('it builds', 60_000, () => isBuilding(first));
  const dumpFile = join(folder, 'backup');
  await backup.dump(dumpFile);
  const epochBefore = Number(await backup.read('select epoch from control_plane'));
  await endFirstBuild();
  await settles(first);
  for (const environment of environments) await environment.pushNewVersion();
  for (const environment of environments) await settles(environment);
  const [unknown] = await create('unknown', 1);
  if (unknown === undefined) throw new Error('no environment');
  await unknown.pushNewVersion();
  await settles(unknown);

  const visitors = [{ method: 'GET', path: '/', pauseMs: 20 }] as const;
  const served = [...environments, unknown];
  const loads = served.map((environment) => startLoad(environment.url(), visitors));
  // Another build is under way when the control plane loses its memory.
  const endLastBuild = await hold();
  await second.pushNewVersion();
  await eventually('it builds', 60_000, () => isBuilding(second));
  const { processes } = await platform.reload();
  await platform.killRunner();
  for (const name of ['core-api', 'webhook-gateway', 'websocket-gateway', 'git-server']) {
    for (const pid of processes[name] ?? []) process.kill(pid, 'SIGKILL');
  }
  await backup.restore(dumpFile);
  platform = await startPlatform({ home: platform.home, env });
  expect(platform.connection.processes.engine).toEqual(processes.engine);
  // At once: before any engine could have told how much it has seen meanwhile.
  await second.pushNewVersion();
  await endLastBuild();

  await eventually('the epoch is raised', 60_000, async () => {
    return Number(await backup.read('select epoch from control_plane')) > epochBefore;
  });
  const client = officialClients(platform.connection);
  for (const environment of environments) {
    const commit = (await environment.copy.git('rev-parse', 'HEAD')).trim();
    await eventually(`the head of ${environment.name} is deployed again`, 120_000, async () => {
      const { data } = await client.history.listEnvironmentDeploymentHistoryV2(
        environment.environmentId,
      );
      const [newest] = data.results ?? [];
      return newest?.status === 'DEPLOYED' && JSON.stringify(newest).includes(commit);
    });
    await settles(environment);
  }
  for (const environment of environments) await environment.pushNewVersion();
  for (const environment of environments) await settles(environment);
  expect(await getPage(unknown.url())).toEqual({ status: 200, text: '1' });

  for (const load of loads) {
    const { answers, failures } = await load.stop();
    expect(failures).toEqual([]);
    expect(answersGoneBack(answers)).toEqual([]);
  }
  for (const environment of served) {
    const started = await versionsOf(environment);
    // The restored control plane may start the head again: it does not know that it runs.
    expect(started).toEqual([...started].sort((a, b) => a - b));
    expect(started.at(-1)).toBe(Number(environment.headVersion()));
  }
}, 600_000);
