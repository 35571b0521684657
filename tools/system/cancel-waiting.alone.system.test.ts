/**
 * A task that waits behind a busy engine is canceled: it shows so at once, and is not carried out
 * when the engine gets round to it.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@pilotfish/kernel';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { officialClients } from './src/clients.ts';
import { createEnvironments, type TrackedEnvironment } from './src/environments.ts';
import { eventually, getPage, startPlatform } from './src/index.ts';
import { ledgerApplication, readLedger } from './src/ledger.ts';

const cancelMsMax = 2_000;

/** Version 1 builds at once, the next ones wait for `go`. */
const files = {
  ...ledgerApplication,
  'build.mjs': `import { copyFileSync, existsSync, readFileSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
copyFileSync('version', 'built');
const go = process.env.LEDGER + '.go';
if (readFileSync('version', 'utf8').trim() !== '1') while (!existsSync(go)) await setTimeout(20);
`,
};

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pf-cancel-waiting-'));
});

afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

test('what is canceled behind a busy engine is CANCELED within two seconds, and never done', async () => {
  await using platform = await startPlatform({
    env: { GIT_SERVER_FOLLOW_SECONDS_MAX: '0', ENGINE_SLOTS: '1' },
  });
  const client = officialClients(platform.connection);
  const ledgerFile = join(folder, 'ledger');
  const made = await createEnvironments(platform, 2, ledgerFile, { name: 'waiting', files });
  const [busy, spared] = made;
  if (busy === undefined || spared === undefined) throw new Error('no environments');
  await using _ = busy.copy;
  await using __ = spared.copy;
  const stateOf = async ({ environmentId }: TrackedEnvironment) =>
    (await client.environment.getEnvironmentStatus(environmentId)).data.state;
  const serves = (environment: TrackedEnvironment, version: string) =>
    eventually(`${environment.name} serves ${version}`, 60_000, async () => {
      return (await getPage(environment.url())).text === version;
    });
  for (const environment of made) {
    await environment.pushNewVersion();
    await serves(environment, '1');
  }

  await busy.pushNewVersion();
  await eventually('the only slot is taken', 30_000, async () => {
    return (await stateOf(busy)) === 'DEPLOYING';
  });
  await client.environmentActions.stopEnvironment(spared.environmentId);
  const askedMs = systemClock.monotonicMs();
  await client.environmentActions.cancelEnvironmentDeployment(spared.environmentId);
  await eventually('the stop is canceled', 10_000, async () => {
    return (await stateOf(spared)) === 'CANCELED';
  });
  expect(systemClock.monotonicMs() - askedMs).toBeLessThan(cancelMsMax);
  const history = await client.history.listEnvironmentDeploymentHistoryV2(spared.environmentId);
  expect(history.data.results?.[0]).toMatchObject({ status: 'CANCELED', trigger_action: 'STOP' });

  await writeFile(`${ledgerFile}.go`, '');
  await serves(busy, '2');
  // The next task of the same environment comes after the canceled one.
  expect((await getPage(spared.url())).text).toBe('1');
  await spared.pushNewVersion();
  await serves(spared, '2');
  const starts = (await readLedger(ledgerFile)).filter((line) => line.environment === spared.name);
  expect(starts.map(({ version }) => version)).toEqual(['1', '2']);
}, 240_000);
