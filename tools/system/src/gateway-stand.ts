/**
 * Copies of the webhook-gateway as processes, with a PostgreSQL and a nats-server of their own and
 * nothing else of the platform. Each of them may be killed and is started again by hand.
 */
import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createKeyFile, createSecretFile } from '@pilotfish/crypto';
import { serviceEnv, serviceFlags } from '@pilotfish/platform';
import { isAlive, type ProcessIdentity } from '@pilotfish/runtime';
import {
  findFreePorts,
  launchDetached,
  type RunningPostgres,
  startPostgres,
  stopProcess,
} from '@pilotfish/servers';
import { migrate } from '@pilotfish/store';
import {
  insertHook,
  type OutgoingDelivery,
  openTestNats,
  type TestHook,
  type TestNats,
} from '@pilotfish/testing';
import postgres, { type Sql } from 'postgres';
import { eventually } from './wait.ts';

/** Something that a test kills with -9 and starts again. */
export interface Killable {
  readonly name: string;
  kill(): Promise<void>;
  /** Resolves when it is of use again. */
  start(): Promise<void>;
}

/** One copy of the gateway. */
export interface GatewayCopy extends Killable {
  /** Its own address; the shared one is the stand's. */
  readonly url: string;
  readonly pid: () => number;
  isAlive(): boolean;
  /** What it has logged. */
  log(): string;
}

export interface GatewayStand {
  /** Shared by all copies (SO_REUSEPORT). */
  readonly port: number;
  readonly url: string;
  readonly copies: readonly GatewayCopy[];
  readonly nats: Killable;
  readonly postgres: Killable;
  /** The superuser's. */
  readonly sql: Sql;
  makeHook(provider: OutgoingDelivery['provider']): Promise<TestHook>;
  [Symbol.asyncDispose](): Promise<void>;
}

export interface StandOptions {
  readonly copies?: number;
  /** Configuration of the gateways besides what the stand needs. */
  readonly env?: Readonly<Record<string, string>>;
}

const main = join(import.meta.dirname, '../../../apps/webhook-gateway/src/main.ts');
const password = 'only-used-in-tests';
const killAtOnce = [{ signal: 'SIGKILL', waitMs: 10_000 }] as const;

export async function openGatewayStand(options: StandOptions = {}): Promise<GatewayStand> {
  const folder = await mkdtemp(join(tmpdir(), 'pf-stand-'));
  const hookKey = randomBytes(32);
  const nats = await openTestNats();
  const database = await openDatabase(folder);
  const identity = join(folder, 'identity');
  await writeIdentity(identity, { database, nats, hookKey });
  const count = options.copies ?? 1;
  const [port = 0, ...ownPorts] = await findFreePorts(1 + count);
  const copies = ownPorts.map((ownPort, index) =>
    gatewayCopy(`gateway ${index}`, ownPort, join(folder, `gateway-${index}.log`), {
      ...serviceEnv,
      PATH: process.env.PATH ?? '',
      PILOTFISH_IDENTITY_DIR: identity,
      NATS_URL: nats.url,
      WEBHOOK_GATEWAY_PORT: String(port),
      WEBHOOK_GATEWAY_REPLICA_PORT: String(ownPort),
      LOG_LEVEL: 'warn',
      ...options.env,
    }),
  );
  const sql = postgres(database.url(), { max: 2, onnotice: () => {} });
  await Promise.all(copies.map((copy) => copy.start()));
  return {
    port,
    url: `http://127.0.0.1:${port}`,
    copies,
    nats: { name: 'nats-server', kill: () => nats.kill(), start: () => nats.start() },
    postgres: database,
    sql,
    makeHook: (provider) => insertHook(sql, hookKey, provider),
    async [Symbol.asyncDispose]() {
      await Promise.all(copies.map((copy) => copy.kill()));
      await sql.end({ timeout: 1 });
      await Promise.all([database.stop(), nats.close()]);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

interface Database extends Killable {
  url(): string;
  stop(): Promise<void>;
}

/** With fsync, as in production; migrated. */
async function openDatabase(folder: string): Promise<Database> {
  const [port = 0] = await findFreePorts(1);
  const dataFolder = join(folder, 'postgres');
  const { DATABASE_URL: _, ...env } = process.env;
  const start = () => startPostgres({ env, dataFolder, port, endWithParent: true });
  let server: RunningPostgres = await start();
  const kill = async () => {
    if (server.process) await stopProcess(server.process, killAtOnce);
  };
  const passwords = { webhook_gateway: password, websocket_gateway: password };
  await migrate({ url: server.url, passwords });
  return {
    name: 'PostgreSQL',
    url: () => server.url,
    kill,
    async start() {
      server = await start();
    },
    // Nothing of it is wanted any more.
    stop: kill,
  };
}

/** What `core-api migrate` leaves for the gateway. */
async function writeIdentity(
  identity: string,
  { database, nats, hookKey }: { database: Database; nats: TestNats; hookKey: Uint8Array },
): Promise<void> {
  mkdirSync(identity, { mode: 0o700 });
  const file = (name: string) => join(identity, `webhook-gateway.${name}`);
  const url = new URL(database.url());
  Object.assign(url, { username: 'pilotfish_webhook_gateway', password });
  await createSecretFile(file('database-url'), `${url.href}\n`);
  await createSecretFile(file('creds'), await nats.authority.serviceCredentials('webhook-gateway'));
  await createKeyFile(file('key'), hookKey);
}

function gatewayCopy(
  name: string,
  ownPort: number,
  logFile: string,
  env: Readonly<Record<string, string>>,
): GatewayCopy {
  const url = `http://127.0.0.1:${ownPort}`;
  let identity: ProcessIdentity | undefined;
  const alive = () => identity !== undefined && isAlive(identity);
  const log = () => readFileSync(logFile, 'utf8');
  return {
    name,
    url,
    pid: () => identity?.pid ?? 0,
    isAlive: alive,
    log,
    async kill() {
      if (identity !== undefined) await stopProcess(identity, killAtOnce);
    },
    async start() {
      const args = [...serviceFlags('webhook-gateway'), '--conditions=@pilotfish/source', main];
      identity = launchDetached({
        program: process.execPath,
        args,
        env,
        logFile,
        endWithParent: true,
      });
      await eventually(`${name} answers`, 60_000, async () => {
        if (!alive()) throw new Error(`${name} ended: ${log()}`);
        return (await fetch(`${url}/health/live`)).ok;
      });
    },
  };
}
