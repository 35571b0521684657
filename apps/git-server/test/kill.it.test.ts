import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runFromSources } from '@pilotfish/testing/real-process';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Fixture, makeFixture, waitUntil } from './fixture.ts';

const main = fileURLToPath(new URL('../src/main.ts', import.meta.url));
let fixture: Fixture;
const processes: ChildProcess[] = [];

beforeEach(async () => {
  fixture = await makeFixture();
});
afterEach(async () => {
  for (const child of processes.splice(0)) child.kill('SIGKILL');
  await fixture.close();
});

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** The service as it is started in earnest. */
async function startProcess(webhookUrl: string): Promise<{ child: ChildProcess; url: string }> {
  const port = await freePort();
  const child = spawn(process.execPath, runFromSources(main), {
    env: {
      PATH: process.env.PATH,
      GIT_SERVER_PORT: String(port),
      GIT_SERVER_DATA_DIR: fixture.dataFolder,
      PILOTFISH_IDENTITY_DIR: join(fixture.root, 'identity'),
      CORE_API_URL: fixture.coreApi.url,
      WEBHOOK_URL: webhookUrl,
      WEBSOCKET_URL: 'ws://127.0.0.1:1',
    },
    stdio: 'ignore',
  });
  processes.push(child);
  const url = `http://127.0.0.1:${port}`;
  const isReady = async () =>
    (await fetch(`${url}/health/ready`).catch(() => null))?.status === 200;
  await waitUntil(isReady);
  return { child, url };
}

test('kill -9 between receiving and announcing: announced after the restart', async () => {
  let asked = 0;
  // Readiness asks it, too: only the announcement counts.
  const silent = createServer((request) => {
    if (request.method === 'POST') asked += 1;
  }).listen(0, '127.0.0.1');
  await once(silent, 'listening');
  const first = await startProcess(`http://127.0.0.1:${(silent.address() as AddressInfo).port}`);
  const work = await fixture.workTree();
  const push = fixture.git(work, 'push', fixture.remote(first.url), 'main');
  await waitUntil(() => asked > 0);
  first.child.kill('SIGKILL');
  await push;
  silent.closeAllConnections();
  silent.close();

  const second = await startProcess(fixture.gateway.url);
  await waitUntil(() => fixture.gateway.received.length === 1);
  const { output } = await fixture.git(work, 'rev-parse', 'main');
  expect(fixture.gateway.received[0]?.body.after).toBe(output.trim());
  const heads = await fixture.git(work, 'ls-remote', fixture.remote(second.url));
  expect(heads.output).toContain(output.trim());
  await waitUntil(async () => (await readdir(fixture.spool)).length === 0);
});

test('SIGTERM ends it while a push shows its log, and the push succeeds', async () => {
  const { child, url } = await startProcess(fixture.gateway.url);
  fixture.coreApi.delivery = { state: 'PENDING' };
  const work = await fixture.workTree();
  const push = fixture.git(work, 'push', fixture.remote(url), 'main');
  await waitUntil(() => fixture.gateway.received.length === 1);
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  expect((await exited)[0]).toBe(0);
  const { code, output } = await push;
  expect(code, output).toBe(0);
});
