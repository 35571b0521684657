import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { callApi } from './src/api.ts';
import { createEnvironments, type TrackedEnvironment } from './src/environments.ts';
import { eventually, getPage, type Platform, startPlatform } from './src/index.ts';
import { ledgerApplication } from './src/ledger.ts';
import { answersGoneBack, startLoad, type Visitor } from './src/load.ts';
import { scale } from './src/scale.ts';

const deploymentCount = scale({ small: 4, full: 20 });

/**
 * Needs longer before it listens than the edge would try, and dies at once when it is told to end: whatever is asked of it
 * too early or too late is lost.
 */
const files = {
  ...ledgerApplication,
  'server.mjs': `import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { setTimeout } from 'node:timers/promises';
const version = readFileSync('built', 'utf8').trim();
await setTimeout(1500);
createServer(async (request, answer) => {
  for await (const chunk of request) void chunk;
  if (request.url !== '/slow') return void answer.end(version);
  for (let line = 0; line < 8; line += 1) {
    answer.write(version + '\\n');
    await setTimeout(250);
  }
  answer.end();
}).listen(process.env.PORT);
`,
};

const visitors: readonly Visitor[] = [
  { method: 'GET', path: '/', pauseMs: 5 },
  { method: 'GET', path: '/', pauseMs: 5 },
  { method: 'GET', path: '/', pauseMs: 20 },
  { method: 'POST', path: '/', pauseMs: 5 },
  { method: 'POST', path: '/', pauseMs: 20 },
  // Two seconds per answer: one is always open when traffic switches.
  { method: 'GET', path: '/slow', pauseMs: 1 },
  { method: 'POST', path: '/slow', pauseMs: 300 },
  // Node closes a connection that was quiet for five seconds, just when this one speaks again.
  { method: 'POST', path: '/', pauseMs: 4_995 },
  { method: 'POST', path: '/', pauseMs: 5_005 },
];

let platform: Platform;
let folder: string;
let application: TrackedEnvironment;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pf-zero-'));
  platform = await startPlatform({ env: { GIT_SERVER_FOLLOW_SECONDS_MAX: '0' } });
  const ledgerFile = join(folder, 'ledger');
  const made = await createEnvironments(platform, 1, ledgerFile, { name: 'zero', files });
  application = made[0]!;
});

afterAll(async () => {
  await application?.copy[Symbol.asyncDispose]();
  await platform?.[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

async function serves(version: string): Promise<void> {
  await eventually(`version ${version} serves`, 60_000, async () => {
    const page = await getPage(application.url());
    return page.status === 200 && page.text === version;
  });
}

test('deployments under load fail no request and never show an older version again', async () => {
  await application.pushNewVersion();
  await serves('1');
  const load = startLoad(application.url(), visitors);
  for (let deployment = 0; deployment < deploymentCount; deployment += 1) {
    await application.pushNewVersion();
    await serves(application.headVersion());
    const before = load.answered();
    await eventually('visitors see the new version', 20_000, async () => {
      return load.answered() > before + 50;
    });
  }
  const { answers, failures, reusedConnections } = await load.stop();
  expect(failures).toEqual([]);
  expect(answersGoneBack(answers)).toEqual([]);
  const pushed = Array.from({ length: deploymentCount + 1 }, (_, index) => index + 1);
  expect([...new Set(answers.map(({ version }) => version))].sort((a, b) => a - b)).toEqual(pushed);
  // Without that, nothing above would say anything about connections that are kept open.
  expect(reusedConnections).toBeGreaterThan(answers.length / 2);
}, 600_000);

test('a rollback under load fails no request', async () => {
  const path = `/application/${application.applicationId}`;
  const before = await eventually('the head is the active release', 30_000, async () => {
    const { results } = await callApi<{ results: { id: string; status: string }[] }>(
      platform.connection,
      'GET',
      `${path}/release`,
    );
    const [newest, older] = results;
    return newest?.status === 'ACTIVE' && older?.status === 'RETIRED' && older;
  });
  const load = startLoad(application.url(), visitors);
  await callApi(platform.connection, 'POST', `${path}/rollback`, { release_id: before.id });
  const older = String(Number(application.headVersion()) - 1);
  await serves(older);
  const seen = load.answered();
  await eventually('visitors see the older version', 20_000, async () => {
    return load.answered() > seen + 50;
  });
  const { answers, failures } = await load.stop();
  expect(failures).toEqual([]);
  const head = Number(application.headVersion());
  // The other way round than above: once the older version was read, the newer one is gone.
  expect(answersGoneBack(answers.map((a) => ({ ...a, version: head - a.version })))).toEqual([]);
  expect(new Set(answers.map(({ version }) => version))).toContain(Number(older));
});
