/** Two copies of every stateless service, core-api in each of its roles as a process of its own. */
import { createHmac, randomUUID } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { genericDeliveryHeaders } from '@pilotfish/contracts';
import { afterAll, beforeAll, expect, test } from 'vitest';
import WebSocket from 'ws';
import { callApi } from './src/api.ts';
import { createEnvironments, type TrackedEnvironment } from './src/environments.ts';
import { eventually, getPage, type Platform, startPlatform } from './src/index.ts';

const stateless = [
  'core-api-api',
  'core-api-dispatcher',
  'core-api-relay',
  'core-api-ingester',
  'core-api-reconciler',
  'webhook-gateway',
  'websocket-gateway',
];

let platform: Platform;
let environment: TrackedEnvironment;

beforeAll(async () => {
  platform = await startPlatform({
    env: { PILOTFISH_REPLICAS: '2', PILOTFISH_CORE_API_SPLIT: '1' },
  });
  const [made] = await createEnvironments(platform, 1, '/dev/null', { name: 'replicas', files });
  if (made === undefined) throw new Error('no environment');
  environment = made;
});

afterAll(async () => {
  await environment?.copy[Symbol.asyncDispose]();
  await platform?.[Symbol.asyncDispose]();
});

const files = {
  'package.json': JSON.stringify({ name: 'replicas', scripts: { start: 'node server.mjs' } }),
  'server.mjs': `import { createServer } from 'node:http';
import { readFileSync } from 'node:fs';
const version = readFileSync('version', 'utf8');
createServer((_, response) => response.end(version)).listen(process.env.PORT);
`,
};

test('two of each run, and each copy answers probes of its own', async () => {
  const { processes } = platform.connection;
  for (const name of stateless) {
    const pids = processes[name] ?? [];
    expect(new Set(pids).size, name).toBe(2);
    for (const pid of pids) {
      const base = await ownUrl(pid);
      expect((await fetch(`${base}/health/ready`)).status, name).toBe(200);
      expect(await (await fetch(`${base}/metrics`)).text(), name).toMatch(/^process_cpu_/m);
    }
  }
});

test('a push is deployed, and the log of its deployment is the same through each gateway', async () => {
  await pushAndSee();
  const gateways = platform.connection.processes['websocket-gateway'] ?? [];
  const logs = await Promise.all(gateways.map(async (pid) => await readLog(await ownUrl(pid))));
  expect(logs[0]?.length).toBeGreaterThan(3);
  expect(logs[1]).toEqual(logs[0]);
});

test('a delivery is taken by each copy of the webhook-gateway, and once only', async () => {
  const { organizationId, processes } = platform.connection;
  const hook = await callApi<{ id: string; secret: string }>(
    platform.connection,
    'POST',
    `/organization/${organizationId}/incomingWebhook`,
    { name: 'replicas', provider: 'GENERIC' },
  );
  const id = randomUUID();
  const receipts: string[] = [];
  for (const pid of processes['webhook-gateway'] ?? []) {
    const answer = await deliver(await ownUrl(pid), hook, id);
    expect(answer.status).toBe(202);
    receipts.push(((await answer.json()) as { id: string }).id);
  }
  expect(receipts).toHaveLength(2);
  expect(new Set(receipts).size).toBe(1);
});

test('work goes on at once when one copy of everything is killed, whichever it is', async () => {
  for (const victim of [0, 1]) {
    const { processes } = await eventually('two of each run', 60_000, async () => {
      const connection = await platform.reload();
      const isWhole = stateless.every((name) => connection.processes[name]?.length === 2);
      return isWhole ? connection : undefined;
    });
    for (const name of stateless) {
      const pid = processes[name]?.[victim];
      if (pid === undefined) throw new Error(`${name} has no copy ${victim}`);
      process.kill(pid, 'SIGKILL');
      await eventually(`${name} is gone`, 5_000, async () => !(await isRunning(pid)));
    }
    // At once: the runner waits before it starts a killed service again.
    const { apiUrl, webhookUrl, webSocketUrl, token } = platform.connection;
    const base = webSocketUrl.replace(/^ws/, 'http');
    // Each on a connection of its own: an old one may lead to who is gone.
    const headers = { authorization: `Token ${token}`, connection: 'close' };
    const urls = [`${apiUrl}/organization`, `${webhookUrl}/health/ready`, `${base}/health/ready`];
    const answers = await Promise.all(
      urls.flatMap((url) => Array.from({ length: 8 }, () => fetch(url, { headers }))),
    );
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    await pushAndSee();
  }
});

/** Pushes the next version and waits until it serves. */
async function pushAndSee(): Promise<void> {
  await environment.pushNewVersion();
  const version = environment.headVersion();
  await eventually(`version ${version} serves`, 60_000, async () => {
    return (await getPage(environment.url())).text === version;
  });
}

/** The address that one copy has for itself. */
async function ownUrl(pid: number): Promise<string> {
  const text = await readFile(`/proc/${pid}/environ`, 'utf8');
  const own = /_REPLICA_PORT=(\d+)/.exec(text)?.[1] ?? /CORE_API_PORT=(\d+)/.exec(text)?.[1];
  return `http://127.0.0.1:${own}`;
}

/** Its sockets are open until the last of its threads is gone, the first one may be a zombie before. */
async function isRunning(pid: number): Promise<boolean> {
  const threads = await readdir(`/proc/${pid}/task`).catch(() => []);
  if (threads.length > 1) return true;
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  return stat !== '' && !/\) Z /.test(stat);
}

function deliver(base: string, hook: { id: string; secret: string }, id: string) {
  const body = JSON.stringify({
    repository: { url: 'https://git.example/nobody/nothing.git' },
    ref: 'refs/heads/main',
    before: '0'.repeat(40),
    after: 'a'.repeat(40),
  });
  const signature = createHmac('sha256', hook.secret).update(body).digest('hex');
  return fetch(`${base}/webhook/${hook.id}`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      [genericDeliveryHeaders.event]: 'push',
      [genericDeliveryHeaders.delivery]: id,
      [genericDeliveryHeaders.signature]: `sha256=${signature}`,
    },
    body,
  });
}

/** Every line of the newest deployment, until it says that it has ended. */
async function readLog(base: string): Promise<string[]> {
  const { organizationId, clusterId, token } = platform.connection;
  const query = new URLSearchParams({
    organization: organizationId,
    cluster: clusterId,
    project: environment.projectId,
    environment: environment.environmentId,
  });
  const url = `${base.replace(/^http/, 'ws')}/deployment/logs?${query}`;
  const socket = new WebSocket(url, { headers: { authorization: `Token ${token}` } });
  const lines: { timestamp: string; message?: unknown; execution_ended?: unknown }[] = [];
  socket.on('message', (data) => lines.push(...(JSON.parse(String(data)) as typeof lines)));
  try {
    await eventually('the whole log', 30_000, async () =>
      lines.some(({ execution_ended }) => execution_ended !== undefined),
    );
  } finally {
    socket.terminate();
  }
  return lines.map(({ timestamp, message }) => `${timestamp} ${JSON.stringify(message)}`);
}
