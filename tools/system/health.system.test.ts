/** Every process says what it lacks, and what it does in figures that Prometheus can read. */
import { mkdtemp, readFile } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually, type Platform, startPlatform } from './src/index.ts';
import { parseMetrics } from './src/parse-metrics.ts';
import { removeHome } from './src/platform.ts';

/** Each with the variable that says where it answers. */
const services = {
  supervisor: 'SUPERVISOR_SOCKET',
  edge: 'EDGE_ADMIN_SOCKET',
  'core-api-api': 'CORE_API_PORT',
  'core-api-dispatcher': 'CORE_API_PORT',
  'core-api-relay': 'CORE_API_PORT',
  'core-api-ingester': 'CORE_API_PORT',
  'core-api-reconciler': 'CORE_API_PORT',
  'webhook-gateway': 'WEBHOOK_GATEWAY_PORT',
  'websocket-gateway': 'WEBSOCKET_GATEWAY_PORT',
  'git-server': 'GIT_SERVER_PORT',
  engine: 'ENGINE_PORT',
} as const;
type ServiceName = keyof typeof services;
const names = Object.keys(services) as ServiceName[];

const env = { PILOTFISH_CORE_API_SPLIT: '1' };
let home: string;
let platform: Platform;
let addresses: Record<ServiceName, string>;

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'pf-health-'));
  platform = await startPlatform({ home, env });
  const found = await Promise.all(names.map(async (name) => [name, await addressOf(name)]));
  addresses = Object.fromEntries(found);
});

afterAll(async () => {
  await platform?.[Symbol.asyncDispose]();
  await removeHome(home);
});

test('all are ready and lack nothing', async () => {
  for (const name of names)
    expect(await missing(name), name).toEqual({ failing: [], degraded: [] });
});

test('the metrics of every service are scraped without complaint', async () => {
  for (const name of names) {
    const { status, text, contentType } = await get(name, '/metrics');
    expect(status, name).toBe(200);
    expect(contentType, name).toMatch(/^text\/plain; version=/);
    const samples = parseMetrics(text);
    const memory = samples.find((sample) => sample.name === 'process_resident_memory_bytes');
    expect(memory?.value, name).toBeGreaterThan(1e6);
  }
});

test('alerts and dashboard ask only for metrics that some service has', async () => {
  const known = new Set<string>();
  for (const name of names) {
    const { text } = await get(name, '/metrics');
    for (const [, metric = '', type] of text.matchAll(/^# TYPE (\S+) (\S+)$/gm)) {
      const parts = type === 'histogram' ? ['_bucket', '_sum', '_count'] : [''];
      for (const part of parts) known.add(metric + part);
    }
  }
  const deploy = join(import.meta.dirname, '../../deploy');
  for (const file of ['prometheus/pilotfish.rules.yml', 'grafana/pilotfish-webhooks.json']) {
    const text = await readFile(join(deploy, file), 'utf8');
    const asked = [...text.matchAll(/\bpilotfish_\w+/g)].map(([metric]) => metric);
    expect(asked.length).toBeGreaterThan(10);
    expect(
      asked.filter((metric) => !known.has(metric)),
      file,
    ).toEqual([]);
  }
});

test('what is missing is named by everybody who needs it, and by nobody else', async () => {
  // Nobody starts again what is killed from here on.
  await platform.killRunner();
  await kill('nats');
  await expectMissing({
    'core-api-api': { degraded: ['nats'] },
    'core-api-dispatcher': { degraded: ['nats'] },
    'core-api-relay': { failing: ['nats'] },
    'core-api-ingester': { failing: ['nats'] },
    'core-api-reconciler': { degraded: ['nats'] },
    'webhook-gateway': { degraded: ['nats'] },
    'websocket-gateway': { degraded: ['nats'] },
    engine: { failing: ['nats'] },
  });
  await kill('postgres');
  await expectMissing({
    'core-api-api': { failing: ['postgres'], degraded: ['nats'] },
    'core-api-dispatcher': { failing: ['postgres'], degraded: ['nats'] },
    'core-api-relay': { failing: ['nats', 'postgres'] },
    'core-api-ingester': { failing: ['nats', 'postgres'] },
    'core-api-reconciler': { failing: ['postgres'], degraded: ['nats'] },
    'webhook-gateway': { failing: ['postgres'], degraded: ['nats'] },
    'websocket-gateway': { failing: ['postgres'], degraded: ['nats'] },
    engine: { failing: ['nats'] },
  });
  const gone = ['core-api-api', 'webhook-gateway', 'supervisor', 'edge'] as const;
  for (const name of gone) await kill(name);
  await expectMissing(
    {
      'git-server': { degraded: ['core-api', 'webhook-gateway'] },
      engine: { failing: ['nats', 'supervisor'], degraded: ['core-api', 'edge'] },
    },
    ['git-server', 'engine'],
  );
});

test('the next start brings back what is missing, and all are ready', async () => {
  platform = await startPlatform({ home, env });
  const nothing = Object.fromEntries(names.map((name) => [name, {}]));
  await expectMissing(nothing);
});

type Missing = { readonly failing?: readonly string[]; readonly degraded?: readonly string[] };

/** Those that are not mentioned lack nothing. */
async function expectMissing(
  expected: Partial<Record<ServiceName, Missing>>,
  asked: readonly ServiceName[] = names,
): Promise<void> {
  for (const name of asked) {
    const { failing = [], degraded = [] } = expected[name] ?? {};
    const wanted = JSON.stringify({ failing, degraded });
    await eventually(`${name} lacks ${wanted}`, 20_000, async () => {
      const said = JSON.stringify(await missing(name));
      if (said === wanted) return true;
      throw new Error(said);
    });
    expect((await get(name, '/health/ready')).status, name).toBe(failing.length > 0 ? 503 : 200);
  }
}

async function missing(name: ServiceName) {
  const { text } = await get(name, '/health/ready');
  const said = JSON.parse(text) as Record<'failing' | 'degraded', { name: string }[]>;
  const namesOf = (list: readonly { name: string }[]) => list.map((one) => one.name).sort();
  return { failing: namesOf(said.failing), degraded: namesOf(said.degraded) };
}

async function kill(name: string): Promise<void> {
  for (const pid of platform.connection.processes[name] ?? []) process.kill(pid, 'SIGKILL');
}

/** A port or a socket, as the process was told. */
async function addressOf(name: ServiceName): Promise<string> {
  const [pid] = platform.connection.processes[name] ?? [];
  const environment = await readFile(`/proc/${pid}/environ`, 'utf8');
  const prefix = `${services[name]}=`;
  const variable = environment.split('\0').find((line) => line.startsWith(prefix));
  if (variable === undefined) throw new Error(`${name} has no ${services[name]}`);
  return variable.slice(prefix.length);
}

function get(name: ServiceName, path: string) {
  const address = addresses[name];
  const where = address.startsWith('/')
    ? { socketPath: address }
    : { host: '127.0.0.1', port: Number(address) };
  return new Promise<{ status: number; text: string; contentType: string }>((resolve, reject) => {
    const call = request({ ...where, path, agent: false, timeout: 10_000 }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part: string) => {
        text += part;
      });
      const { statusCode: status = 0, headers } = response;
      const contentType = headers['content-type'] ?? '';
      response.once('end', () => resolve({ status, text, contentType }));
    });
    call.once('timeout', () => call.destroy(new Error(`${name} does not answer`)));
    call.once('error', reject);
    call.end();
  });
}
