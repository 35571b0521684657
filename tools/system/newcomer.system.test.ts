import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { officialClients } from './src/clients.ts';
import {
  cloneRepository,
  eventually,
  getPage,
  type Platform,
  startPlatform,
  type WorkingCopy,
} from './src/index.ts';

const run = promisify(execFile);

let checkout: string;
let platform: Platform;
let copy: WorkingCopy;

beforeAll(async () => {
  // What is committed, without node_modules and bundles: the first start installs and builds all.
  checkout = await mkdtemp(join(tmpdir(), 'pf-checkout-'));
  await run('git', ['clone', '--quiet', join(import.meta.dirname, '../..'), checkout]);
  platform = await startPlatform({ checkout });
  copy = await cloneRepository(platform.connection, platform.connection.gitUrl);
});

afterAll(async () => {
  await copy?.[Symbol.asyncDispose]();
  await platform?.[Symbol.asyncDispose]();
  await rm(checkout, { recursive: true, force: true });
});

async function pageHas(text: string): Promise<void> {
  await eventually(`the page says "${text}"`, 30_000, async () => {
    const page = await getPage(platform.connection.applicationUrl);
    return page.status === 200 && page.text.includes(text);
  });
}

test('after npm start the sample application answers and the screen says where everything is', async () => {
  const { applicationUrl, apiUrl, gitUrl } = platform.connection;
  expect((await getPage(applicationUrl)).status).toBe(200);
  const connectionFile = join(platform.home, 'connection.json');
  for (const address of [applicationUrl, apiUrl, `${apiUrl}/docs`, gitUrl, connectionFile]) {
    expect(platform.output()).toContain(address);
  }
  expect(platform.output()).not.toContain(platform.connection.token);
  const docs = await fetch(`${apiUrl}/docs`);
  expect(docs.status).toBe(200);
});

test('a push is live within seconds and the push itself shows the deployment', async () => {
  const change = (text: string) => text.replace('Hello from Pilotfish', 'Hello from my push');
  const commit = await copy.commit('page.md', change, 'Greet them from my push');
  const printed = await copy.push('origin', 'HEAD');
  expect(printed).toMatch(/remote: .*[Bb]uild/);
  expect(printed).toContain(platform.connection.applicationUrl);
  await pageHas('Hello from my push');
  const { history } = officialClients(platform.connection);
  const { data } = await history.listEnvironmentDeploymentHistoryV2(
    platform.connection.environmentId,
  );
  expect(data.results?.[0]?.stages.flatMap(({ services }) => services)).toMatchObject([
    {
      details: {
        commit: {
          git_commit_id: commit,
          message: 'Greet them from my push',
          author_name: (await copy.git('log', '-1', '--format=%an')).trim(),
        },
      },
    },
  ]);
});

test('a broken push leaves the old version serving and explains itself', async () => {
  await copy.commit('server.mjs', () => "throw new Error('broken on purpose');\n");
  const printed = await copy.push('origin', 'HEAD');
  expect(printed).toContain('broken on purpose');
  expect(printed).toContain('CRASHED_ON_START');
  const page = await getPage(platform.connection.applicationUrl);
  expect(page).toMatchObject({ status: 200, text: expect.stringContaining('Hello from my push') });
});

test('a rollback brings back the release before', async () => {
  const { apiUrl, applicationId, token } = platform.connection;
  const headers = { authorization: `Token ${token}`, 'content-type': 'application/json' };
  const list = await fetch(`${apiUrl}/application/${applicationId}/release`, { headers });
  const { results } = (await list.json()) as { results: { id: string; status: string }[] };
  const [, before] = results.filter((release) => ['ACTIVE', 'RETIRED'].includes(release.status));
  expect(before).toBeDefined();
  const answer = await fetch(`${apiUrl}/application/${applicationId}/rollback`, {
    method: 'POST',
    headers,
    body: JSON.stringify({ release_id: before?.id }),
  });
  expect(answer.status).toBe(202);
  await eventually('the first version serves again', 20_000, async () => {
    const page = await getPage(platform.connection.applicationUrl);
    return page.status === 200 && !page.text.includes('Hello from my push');
  });
});
