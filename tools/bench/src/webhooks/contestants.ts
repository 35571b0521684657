import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { systemClock } from '@pilotfish/kernel';
import { buildsFolder, ensureBundles, serviceEnv, serviceFlags } from '@pilotfish/platform';
import { findFreePorts } from '@pilotfish/servers';
import type { CleanUp } from '../clean-up.ts';
import type { Servers } from './servers.ts';

/** Whose processor time counts apart. */
export const parts = ['gateway', 'postgres', 'nats', 'dispatcher'] as const;
export type Part = (typeof parts)[number];

/** One way to take deliveries, running. */
export interface Contestant {
  readonly name: string;
  readonly port: number;
  readonly pids: Readonly<Partial<Record<Part, readonly number[]>>>;
  /** Where deliveries are stored that can be counted: tables whose rows must be the 2xx. */
  readonly tables: readonly string[];
}

export interface Stage {
  readonly servers: Servers;
  readonly secret: string;
  /** Of the repository. */
  readonly root: string;
  readonly env: NodeJS.ProcessEnv;
  readonly cleanUp: CleanUp;
}

export interface StartedProcess {
  readonly pid: number;
  stop(): Promise<void>;
}

const startMsMax = 20_000;

/** Runs a program of Node and waits until it listens. */
async function startNode(
  { servers, cleanUp }: Stage,
  name: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  port: number,
): Promise<StartedProcess> {
  const logFile = join(servers.folder, `${name}.log`);
  const log = openSync(logFile, 'a');
  const child = spawn(process.execPath, args, { env, stdio: ['ignore', log, log] });
  closeSync(log);
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const stop = async () => {
    child.kill('SIGTERM');
    await ended;
  };
  cleanUp.defer(stop);
  const giveUpMs = systemClock.monotonicMs() + startMsMax;
  while (!(await listens(port))) {
    if (child.exitCode !== null || systemClock.monotonicMs() > giveUpMs) {
      throw new Error(`${name} does not start: ${readFileSync(logFile, 'utf8').slice(-1000)}`);
    }
    await systemClock.sleep(50);
  }
  return { pid: child.pid ?? 0, stop };
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

async function startProgram(
  stage: Stage,
  name: string,
  file: string,
  args: readonly string[],
): Promise<{ port: number; pid: number }> {
  const [port = 0] = await findFreePorts(1);
  const program = join(import.meta.dirname, 'contestants', `${file}.ts`);
  const env = { PATH: stage.env.PATH ?? '', NODE_ENV: 'production' };
  const { pid } = await startNode(stage, name, [program, String(port), ...args], env, port);
  return { port, pid };
}

/** Answers at once; to measure the generator against. */
export async function startNull(stage: Stage): Promise<Contestant> {
  const { port, pid } = await startProgram(stage, 'null', 'null', []);
  return { name: 'null', port, pids: { gateway: [pid] }, tables: [] };
}

/** core-api with its dispatcher alone. */
export async function startDispatcher(stage: Stage): Promise<StartedProcess> {
  const { servers, root, env } = stage;
  const [port = 0] = await findFreePorts(1);
  const program = join(buildsFolder(root), (await ensureBundles(root)).id, 'core-api/main.mjs');
  const settings = {
    ...serviceEnv,
    PATH: env.PATH ?? '',
    PILOTFISH_IDENTITY_DIR: servers.identityFolder,
    NATS_URL: servers.nats.url,
    CORE_API_ROLES: 'dispatcher',
    CORE_API_PORT: String(port),
    CORE_API_CACHE_DIR: join(servers.folder, 'dispatcher-cache'),
  };
  const args = [...serviceFlags('core-api'), program];
  return await startNode(stage, 'dispatcher', args, settings, port);
}

export async function startBare(stage: Stage): Promise<Contestant> {
  const { port, pid } = await startProgram(stage, 'A', 'bare', []);
  return { name: 'A', port, pids: { gateway: [pid] }, tables: [] };
}

/** B, or I where every message is synced. */
export async function startPublishing(stage: Stage, name: 'B' | 'I'): Promise<Contestant> {
  const nats = await stage.servers.startJetStream(name, name === 'I');
  const { port, pid } = await startProgram(stage, name, 'jetstream', [stage.secret, nats.url]);
  return { name, port, pids: { gateway: [pid], nats: [nats.pid] }, tables: [] };
}

/** More connections than the driver's ten: commits that wait together share an fsync. */
const poolConnections = 20;

export async function startInserting(stage: Stage): Promise<Contestant> {
  const { sql, postgres } = stage.servers;
  await sql`create table naive_deliveries (id uuid primary key, event text not null,
    received_at timestamptz not null default now(), body bytea not null)`;
  const args = [stage.secret, postgres.url, String(poolConnections)];
  const { port, pid } = await startProgram(stage, 'C', 'insert', args);
  const pids = { gateway: [pid], postgres: [postgres.pid] };
  return { name: 'C', port, pids, tables: ['naive_deliveries'] };
}

export interface OursOptions {
  readonly nodeFlags?: readonly string[];
  /** Not bundled, so that a profile tells whose code it is. */
  readonly fromSource?: boolean;
}

/** The webhook-gateway as `npm start` runs it, as so many processes that share one port. */
export async function startOurs(
  stage: Stage,
  processes: number,
  { nodeFlags = [], fromSource = false }: OursOptions = {},
): Promise<Contestant & { stop(): Promise<void> }> {
  const { servers, root, env } = stage;
  const program = fromSource
    ? ['--conditions=@pilotfish/source', join(root, 'apps/webhook-gateway/src/main.ts')]
    : [join(buildsFolder(root), (await ensureBundles(root)).id, 'webhook-gateway/main.mjs')];
  const [port = 0, ...ownPorts] = await findFreePorts(1 + processes);
  // Everything comes from one address here: its limits are kept track of, but not reached. What an
  // operator may set reaches it too, as in `npm start`.
  const own = Object.entries(env).filter(([name]) => name.startsWith('WEBHOOK_GATEWAY_'));
  const started: StartedProcess[] = [];
  for (const [replica, ownPort] of ownPorts.entries()) {
    const settings = {
      ...serviceEnv,
      PATH: env.PATH ?? '',
      WEBHOOK_GATEWAY_HOOK_PER_SECOND_MAX: '1000000',
      WEBHOOK_GATEWAY_ADDRESS_PER_SECOND_MAX: '1000000',
      ...Object.fromEntries(own.map(([name, value]) => [name, value ?? ''])),
      PILOTFISH_IDENTITY_DIR: servers.identityFolder,
      NATS_URL: servers.nats.url,
      WEBHOOK_GATEWAY_PORT: String(port),
      ...(processes === 1 ? {} : { WEBHOOK_GATEWAY_REPLICA_PORT: String(ownPort) }),
    };
    const args = [...serviceFlags('webhook-gateway'), ...nodeFlags, ...program];
    const name = `ours-${processes}-${replica}`;
    started.push(await startNode(stage, name, args, settings, processes === 1 ? port : ownPort));
  }
  return {
    name: processes === 1 ? 'ours' : `ours x${processes}`,
    port,
    pids: {
      gateway: started.map(({ pid }) => pid),
      postgres: [servers.postgres.pid],
      nats: [servers.nats.pid],
    },
    tables: ['deliveries', 'delivery_payloads'],
    stop: async () => void (await Promise.all(started.map((one) => one.stop()))),
  };
}
