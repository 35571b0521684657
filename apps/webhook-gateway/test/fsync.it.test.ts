/**
 * That a 2xx comes after the fsync is seen in what the processes asked of the kernel: one trace of
 * the gateway and of every process of its PostgreSQL, by one clock.
 */
import { randomUUID } from 'node:crypto';
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findFreePorts, makeThrowawayFolder, startPostgres, stopProcess } from '@pilotfish/servers';
import { migrate } from '@pilotfish/store';
import { insertHook, postDelivery, type TestHook, testNats } from '@pilotfish/testing';
import { withSql } from '@pilotfish/testing/power';
import { until } from '@pilotfish/testing/real-process';
import { expect, onTestFinished, test } from 'vitest';
import { hookKey } from './fixture.ts';
import { identityFolder, startProcess } from './gateway-process.ts';
import { findTraceObstacle, parseCalls, type SystemCall, traceCalls } from './system-calls.ts';

const minutes = 60_000;
const servicePassword = 'only-used-in-tests';
const obstacle = await findTraceObstacle(process.env);
if (obstacle !== null) process.stdout.write(`No process can be traced here: ${obstacle}.\n`);

interface Installation {
  readonly hook: TestHook;
  readonly webhook: string;
  readonly databaseUrl: string;
  readonly folder: string;
  /** Of the gateway. */
  readonly pid: number;
  /** Of every process of the database. */
  readonly databasePids: () => number[];
}

/** A PostgreSQL with the settings that it has in service, and the gateway as its process. */
async function install(): Promise<Installation> {
  const folder = makeThrowawayFolder('fsync', tmpdir());
  const { DATABASE_URL: _, ...env } = process.env;
  const [port = 0, gatewayPort = 0] = await findFreePorts(2);
  const server = await startPostgres({ env, dataFolder: folder, port, endWithParent: true });
  onTestFinished(async () => {
    if (server.process) await stopProcess(server.process, [{ signal: 'SIGQUIT', waitMs: 5_000 }]);
    rmSync(folder, { recursive: true, force: true });
  });
  await migrate({ url: server.url, passwords: { webhook_gateway: servicePassword } });
  const hook = await withSql(server.url, (sql) => insertHook(sql, hookKey, 'GITHUB'));
  const url = new URL(server.url);
  Object.assign(url, { username: 'pilotfish_webhook_gateway', password: servicePassword });
  const nats = await testNats();
  const gateway = startProcess({
    PILOTFISH_IDENTITY_DIR: await identityFolder(url.href, nats),
    NATS_URL: nats.url,
    WEBHOOK_GATEWAY_PORT: String(gatewayPort),
    LOG_LEVEL: 'warn',
  });
  const base = `http://127.0.0.1:${gatewayPort}`;
  await until('the gateway is ready', async () => {
    expect(gateway.child.exitCode, gateway.output()).toBeNull();
    return (await fetch(`${base}/health/ready`).catch(() => null))?.ok;
  });
  const postmaster = server.process?.pid ?? 0;
  return {
    hook,
    webhook: `${base}/webhook/${hook.id}`,
    databaseUrl: server.url,
    folder,
    pid: gateway.child.pid ?? 0,
    databasePids: () => [postmaster, ...childrenOf(postmaster)],
  };
}

function childrenOf(parent: number): number[] {
  return readdirSync('/proc').flatMap((name) => {
    try {
      const stat = readFileSync(`/proc/${Number(name)}/stat`, 'utf8');
      const [, ppid] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      return Number(ppid) === parent ? [Number(name)] : [];
    } catch {
      return [];
    }
  });
}

const isLog = (call: SystemCall) => call.args.includes('/pg_wal/');
const isSync = ({ name }: SystemCall) => name === 'fdatasync' || name === 'fsync';

/** The connection by which the gateway got the request, as strace names descriptors. */
const descriptorOf = ({ args }: SystemCall) => /^\d+<[^>]*>/.exec(args)?.[0] ?? '';

/** What of a delivery's way is in the trace: it was read, and its answer was written. */
function wayOf(
  calls: readonly SystemCall[],
  gateway: number,
  deliveryId: string,
): { readonly readAt: number; readonly answeredAt: number } | null {
  const request = calls.find(
    ({ args, name, pid }) => pid === gateway && name === 'read' && args.includes(deliveryId),
  );
  if (request === undefined) return null;
  const answer = calls.find(
    (call) =>
      call.pid === gateway &&
      call.startedAt >= request.endedAt &&
      ['write', 'writev'].includes(call.name) &&
      descriptorOf(call) === descriptorOf(request) &&
      call.args.includes('HTTP/1.1 202'),
  );
  return answer === undefined ? null : { readAt: request.endedAt, answeredAt: answer.startedAt };
}

/**
 * The sync of the log that ended before the answer and that a write to the log came before, both by
 * one process, after the delivery was read.
 */
function syncBetween(
  calls: readonly SystemCall[],
  way: { readonly readAt: number; readonly answeredAt: number },
): SystemCall | undefined {
  const within = calls.filter(
    (call) => isLog(call) && call.startedAt > way.readAt && call.endedAt < way.answeredAt,
  );
  return within.find(
    (sync) =>
      isSync(sync) &&
      sync.result === 0 &&
      within.some(
        (write) =>
          write.name === 'pwrite64' && write.pid === sync.pid && write.endedAt <= sync.startedAt,
      ),
  );
}

async function traceDeliveries(
  installed: Installation,
  deliver: (post: () => Promise<string>) => Promise<string[]>,
): Promise<{ readonly calls: readonly SystemCall[]; readonly deliveryIds: readonly string[] }> {
  const { hook, webhook } = installed;
  const post = async () => {
    const deliveryId = randomUUID();
    const delivery = { provider: 'GITHUB', secret: hook.secret, deliveryId, body: '{}' } as const;
    const answer = await postDelivery(webhook, delivery);
    expect(answer.status).toBe(202);
    await answer.json();
    return deliveryId;
  };
  // Connections to the database are made by the first ones: they are traced from their beginning.
  await post();
  const pids = [installed.pid, ...installed.databasePids()];
  const trace = await traceCalls(process.env, pids, join(installed.folder, 'trace'));
  const deliveryIds = await deliver(post);
  return { calls: await trace.stop(), deliveryIds };
}

async function oneByOne(post: () => Promise<string>): Promise<string[]> {
  const ids: string[] = [];
  for (let i = 0; i < 20; i += 1) ids.push(await post());
  return ids;
}

// Where the kernel lets nobody trace there is nothing to be seen.
if (obstacle === null) {
  test(
    'the log is written and synced between the arrival of a delivery and its 202',
    async () => {
      const installed = await install();
      const { calls, deliveryIds } = await traceDeliveries(installed, oneByOne);
      const gaps = deliveryIds.map((deliveryId) => {
        const way = wayOf(calls, installed.pid, deliveryId);
        expect(way, `the way of ${deliveryId} is in the trace`).not.toBeNull();
        const sync = way === null ? undefined : syncBetween(calls, way);
        expect(sync, `${deliveryId} was answered after a sync of the log`).toBeDefined();
        return (way?.answeredAt ?? 0) - (sync?.endedAt ?? 0);
      });
      expect(Math.min(...gaps)).toBeGreaterThan(0);
      const syncs = calls.filter((call) => isLog(call) && isSync(call)).length;
      process.stdout.write(`${deliveryIds.length} deliveries one by one: ${syncs} syncs.\n`);
    },
    2 * minutes,
  );

  test(
    'deliveries that come together share a sync',
    async () => {
      const installed = await install();
      const { calls, deliveryIds } = await traceDeliveries(installed, (post) =>
        Promise.all(Array.from({ length: 200 }, post)),
      );
      for (const deliveryId of deliveryIds) {
        const way = wayOf(calls, installed.pid, deliveryId);
        if (way === null) throw new Error(`${deliveryId} is not in the trace`);
        expect(syncBetween(calls, way), deliveryId).toBeDefined();
      }
      const syncs = calls.filter((call) => isLog(call) && isSync(call)).length;
      process.stdout.write(`${deliveryIds.length} deliveries together: ${syncs} syncs.\n`);
      expect(syncs).toBeLessThan(deliveryIds.length);
    },
    2 * minutes,
  );

  test(
    'a gateway that answers before the sync is seen to',
    async () => {
      const installed = await install();
      await withSql(installed.databaseUrl, async (sql) => {
        await sql`create function commit_later() returns trigger language plpgsql as
          $$ begin perform set_config('synchronous_commit', 'off', true); return null; end $$`;
        await sql`create trigger commit_later after insert on deliveries
          execute function commit_later()`;
      });
      const { calls, deliveryIds } = await traceDeliveries(installed, oneByOne);
      const unsynced = deliveryIds.filter((deliveryId) => {
        const way = wayOf(calls, installed.pid, deliveryId);
        return way !== null && syncBetween(calls, way) === undefined;
      });
      expect(unsynced.length).toBeGreaterThan(0);
    },
    2 * minutes,
  );
}

test('a call that others came between is put together', () => {
  const text = [
    '7 10.5 fdatasync(9</data/pg_wal/01> <unfinished ...>',
    '8 10.6 write(3<socket:[5]>, "HTTP/1.1 202 Accepted", 21) = 21 <0.000020>',
    '7 10.7 <... fdatasync resumed>) = 0 <0.200000>',
    '8 10.8 read(3<socket:[5]>, 0x1, 65536) = -1 EAGAIN (Resource temporarily unavailable) <0.000010>',
  ].join('\n');
  expect(parseCalls(text)).toMatchObject([
    {
      pid: 7,
      name: 'fdatasync',
      args: '9</data/pg_wal/01>',
      result: 0,
      startedAt: 10.5,
      endedAt: 10.7,
    },
    { pid: 8, name: 'write', result: 21 },
    { pid: 8, name: 'read', result: -1 },
  ]);
});

test('an answer during which the trace ended is an answer, a sync that had not ended is none', () => {
  const request =
    '8 10.1 read(3<socket:[5]>, "POST /webhook/1 … x-github-delivery: 1", 65536) = 90 <0.000010>';
  const log = [
    '7 10.2 pwrite64(9</data/pg_wal/01>, "…", 8192, 0) = 8192 <0.000010>',
    '7 10.3 fdatasync(9</data/pg_wal/01>) = 0 <0.010000>',
  ];
  const answer = '8 10.5 write(3<socket:[5]>, "HTTP/1.1 202 Accepted", 21';
  for (const end of ['unfinished', 'detached']) {
    const calls = parseCalls([request, ...log, `${answer} <${end} ...>`, ''].join('\n'));
    const way = wayOf(calls, 8, 'x-github-delivery: 1');
    expect(way).toEqual({ readAt: 10.1 + 0.00001, answeredAt: 10.5 });
    expect(way && syncBetween(calls, way)).toMatchObject({ name: 'fdatasync', result: 0 });
  }
  const begunSync = '7 10.3 fdatasync(9</data/pg_wal/01> <unfinished ...>';
  const calls = parseCalls([request, log[0], begunSync, `${answer}) = 21 <0.000020>`].join('\n'));
  const way = wayOf(calls, 8, 'x-github-delivery: 1');
  expect(way && syncBetween(calls, way)).toBeUndefined();
});
