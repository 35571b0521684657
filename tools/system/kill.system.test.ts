import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@pilotfish/kernel';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { officialClients } from './src/clients.ts';
import { createEnvironments, type TrackedEnvironment } from './src/environments.ts';
import { eventually, getPage, type Platform, startPlatform } from './src/index.ts';
import { createKiller } from './src/killer.ts';
import { readLedger } from './src/ledger.ts';
import { followDeploymentLogs } from './src/log-follower.ts';
import { seededRandom } from './src/random.ts';
import { scale } from './src/scale.ts';

const environmentCount = scale({ small: 2, full: 5 });
const pushCount = scale({ small: 8, full: 50 });

let platform: Platform;
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pf-kill-'));
  platform = await startPlatform({
    env: {
      PILOTFISH_REPLICAS: '2',
      PILOTFISH_CORE_API_SPLIT: '1',
      // A push that shows no log returns at once: what follows is struck in the middle of its work.
      GIT_SERVER_FOLLOW_SECONDS_MAX: '0',
    },
  });
});

afterAll(async () => {
  await platform?.[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

test('no kill loses a push, runs one twice, or leaves anything behind', async () => {
  const random = seededRandom();
  const ledgerFile = join(folder, 'ledger');
  const environments = await createEnvironments(platform, environmentCount, ledgerFile);
  for (const { copy } of environments) onTestFinished(() => copy[Symbol.asyncDispose]());
  const [watched] = environments;
  if (watched === undefined) throw new Error('no environment');
  const follower = followDeploymentLogs(platform, watched);
  await watched.pushNewVersion();
  await follower.started();
  const killer = createKiller(platform, random);

  for (let push = 0; push < pushCount; push += 1) {
    const environment = environments[Math.floor(random() * environments.length)];
    await environment?.pushNewVersion();
    await systemClock.sleep(Math.floor(random() * 400));
    await killer.strike();
  }
  // Points that chance has missed get their turn: none may be left untested.
  for (const point of killer.unhit()) {
    await environments[Math.floor(random() * environments.length)]?.pushNewVersion();
    await killer.strike(point);
  }

  await Promise.all(environments.map(runsItsHead));
  expect(Object.entries(killer.hits()).filter(([, hits]) => hits === 0)).toEqual([]);

  const ledger = await readLedger(ledgerFile);
  for (const environment of environments) {
    const starts = ledger.filter((line) => line.environment === environment.name);
    const versions = starts.map((line) => line.version);
    expect(new Set(versions).size, `${environment.name} ran a version twice`).toBe(versions.length);
    expect(versions).toContain(environment.headVersion());
    expect(versions.map(Number)).toEqual(versions.map(Number).sort((a, b) => a - b));
  }

  const { received, stored } = await follower.finish();
  expect(received).toEqual(stored);
  await nothingIsLeft();
}, 1_500_000);

async function runsItsHead(environment: TrackedEnvironment): Promise<void> {
  const client = officialClients(platform.connection);
  await eventually(`${environment.name} runs the head of its branch`, 180_000, async () => {
    const page = await getPage(environment.url());
    if (page.text !== environment.headVersion()) return undefined;
    const status = (await client.environment.getEnvironmentStatus(environment.environmentId)).data;
    return status.state === 'DEPLOYED';
  });
}

/** No zombie among the platform's processes, and no half-made folder below its home. */
async function nothingIsLeft(): Promise<void> {
  const { processes } = await platform.reload();
  await eventually('no zombie', 10_000, async () => {
    const zombies = await Promise.all(Object.values(processes).flat().map(zombieChildren));
    return zombies.flat().length === 0;
  });
  const { leftovers } = await import('./src/leftovers.ts');
  await eventually('no leftover folder', 30_000, async () => {
    const found = await leftovers(platform.home);
    if (found.length > 0) throw new Error(found.join(', '));
    return true;
  });
}

async function zombieChildren(pid: number): Promise<string[]> {
  const path = `/proc/${pid}/task/${pid}/children`;
  const children = (await readFile(path, 'utf8').catch(() => '')).split(' ').filter(Boolean);
  const states = await Promise.all(
    children.map((child) => readFile(`/proc/${child}/stat`, 'utf8').catch(() => '')),
  );
  return states.filter((stat) => / Z /.test(stat));
}
