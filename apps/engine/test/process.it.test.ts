/** The engine as the process that operators run, with fakes only where other services would be. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { EnvironmentTask, ServiceTask } from '@pilotfish/contracts';
import { sealTo } from '@pilotfish/crypto';
import { gitEnvironment } from '@pilotfish/git';
import { type EnvironmentId, newId, type ServiceId, systemClock } from '@pilotfish/kernel';
import { type TestNats, testNats } from '@pilotfish/testing';
import { type FakeEdge, fakeEdge } from '@pilotfish/testing/fake-edge';
import { type FakeSupervisor, fakeSupervisor } from '@pilotfish/testing/fake-supervisor';
import { runFromSources } from '@pilotfish/testing/real-process';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type TestControlPlane, testControlPlane } from './control-plane.ts';
import { tempFolder } from './core.ts';
import { CoreApiServer, joinToken } from './core-api-server.ts';
import { type GitHttp, gitHttp } from './git-http.ts';
import { environmentTask, serviceTask, stageOf } from './tasks.ts';

const program = fileURLToPath(new URL('../src/main.ts', import.meta.url));
const patience = { timeout: 30_000, interval: 50 };
const host = 'web.localhost';
const secret = 'correct-horse-battery';
const serviceId = newId<ServiceId>();
const environmentId = newId<EnvironmentId>();

let folder: ReturnType<typeof tempFolder>;
let nats: TestNats;
let coreApi: CoreApiServer;
let coreApiUrl: string;
let plane: TestControlPlane;
let git: GitHttp;
let supervisor: FakeSupervisor;
let edge: FakeEdge;
let engine: ChildProcess;
let port = 0;
let output = '';

beforeEach(async () => {
  folder = tempFolder();
  nats = await testNats();
  coreApi = new CoreApiServer();
  const { engineId, clusterId } = coreApi;
  coreApi.natsUrl = nats.url;
  coreApi.issueJwt = (publicKey) =>
    nats.authority.engineJwt({ engineId, clusterId, publicKey }, coreApi.lifeSeconds);
  coreApiUrl = await coreApi.listen();
  plane = await testControlPlane(await nats.bus('core-api'), clusterId);
  git = await gitHttp(path.join(folder.path, 'git'));
  supervisor = await fakeSupervisor(path.join(folder.path, 's.sock'));
  edge = await fakeEdge(path.join(folder.path, 'routes.json'), path.join(folder.path, 'e.sock'));
  const tokenFile = path.join(folder.path, 'join-token');
  writeFileSync(tokenFile, joinToken, { mode: 0o600 });
});

afterEach(async () => {
  await stop('SIGKILL');
  await edge.close();
  await supervisor.close();
  git.close();
  coreApi.close();
  folder.remove();
});

async function start(): Promise<void> {
  output = '';
  engine = spawn(process.execPath, runFromSources(program), {
    env: {
      ...gitEnvironment(process.env),
      PATH: process.env.PATH ?? '',
      ENGINE_PORT: '0',
      ENGINE_DATA_DIR: path.join(folder.path, 'data'),
      ENGINE_JOIN_TOKEN_FILE: path.join(folder.path, 'join-token'),
      CORE_API_URL: coreApiUrl,
      SUPERVISOR_SOCKET: supervisor.socketPath,
      EDGE_ADMIN_SOCKET: edge.adminSocketPath,
      ROUTES_FILE: path.join(folder.path, 'routes.json'),
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  engine.stdout?.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  const listening = () => /"port":(\d+),"msg":"engine listens"/.exec(output)?.[1];
  await expect.poll(listening, patience).toBeDefined();
  port = Number(listening());
}

async function stop(signal: NodeJS.Signals): Promise<number | null> {
  if (engine.exitCode === null && engine.signalCode === null) {
    const ended = once(engine, 'exit');
    engine.kill(signal);
    await ended;
  }
  return engine.exitCode;
}

function get(toPort: number, url: string, hostHeader = '127.0.0.1'): Promise<string> {
  return new Promise((resolve, reject) => {
    const headers = { host: hostHeader };
    const sent = request({ host: '127.0.0.1', port: toPort, path: url, headers, agent: false });
    sent.once('error', reject);
    sent.once('response', (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (text: string) => {
        body += text;
      });
      response.once('end', () => resolve(`${response.statusCode} ${body}`));
    });
    sent.end();
  });
}

async function deployment(text: string, generation: number): Promise<EnvironmentTask> {
  const commitSha = await git.commit({
    'package.json': JSON.stringify({ name: 'page', scripts: { start: 'node server.js' } }),
    'server.js': `
console.log('greeting is ' + process.env.GREETING);
require('node:http')
  .createServer((_, response) => response.end('${text} ' + process.env.GREETING))
  .listen(process.env.PORT);
`,
  });
  const task = environmentTask([], { clusterId: coreApi.clusterId, environmentId, generation });
  const { executionId } = task;
  const binding = { executionId, serviceId, field: 'secrets.GREETING' };
  const { release, ...rest } = serviceTask({ serviceId, host });
  const service: ServiceTask = {
    ...rest,
    release: {
      ...release!,
      source: { repositoryUrl: git.url, branch: 'main', commitSha, rootPath: '/' },
      ports: [{ name: 'http', internalPort: 3000, public: true }],
      secrets: { GREETING: await sealTo(coreApi.keys!.sealing_public_key, secret, binding) },
    },
  };
  return { ...task, stages: [stageOf(service)] };
}

test('it enrols, deploys from Git, survives kill -9 beside a live application, and is revoked', async () => {
  await start();
  await expect.poll(() => plane.hellos.length, patience).toBe(1);
  const first = await deployment('one', 1);
  await plane.publish(first);
  await expect
    .poll(() => plane.terminals(first.executionId), patience)
    .toMatchObject([{ outcome: 'SUCCEEDED', isolation: 'T0' }]);
  expect(await get(edge.port, '/', host)).toBe(`200 one ${secret}`);
  expect(await get(port, '/health/ready')).toMatch(/^200 /);

  await stop('SIGKILL');
  const second = await deployment('two', 2);
  await plane.publish(second);
  expect(await get(edge.port, '/', host)).toBe(`200 one ${secret}`);
  await start();
  await expect.poll(() => plane.ended(second.executionId), patience).toBe(true);
  expect(await get(edge.port, '/', host)).toBe(`200 two ${secret}`);

  const journal = readFileSync(path.join(folder.path, 'data/journal.db'), 'latin1');
  expect(JSON.stringify(plane.batches) + output + journal).not.toContain(secret);
  expect(plane.contradictions).toEqual([]);

  coreApi.revoked = true;
  const revocation = { publicKey: coreApi.keys!.identity_public_key, at: systemClock.now() };
  await nats.authority.pushRevocations(nats.url, [revocation]);
  const readiness = () => get(port, '/health/ready');
  await expect.poll(readiness, patience).toMatch(/^503 .*This engine was revoked/);
  expect(output).toContain('deploys nothing new');
  expect(await get(edge.port, '/', host)).toBe(`200 two ${secret}`);
  expect(await stop('SIGTERM')).toBe(0);
}, 120_000);
