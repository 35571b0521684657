/**
 * PostgreSQL on storage that a test may take the power from, as far as this machine lets it: a
 * whole machine with a volatile disk, else a folder whose server is killed. The second loses what
 * was in the server's memory alone, and so says nothing about fsync.
 */
import { randomInt } from 'node:crypto';
import { cpSync, readdirSync, readFileSync, readlinkSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@pilotfish/kernel';
import { identifyProcess, isAlive } from '@pilotfish/runtime';
import { isPortFree, makeThrowawayFolder, startPostgres } from '@pilotfish/servers';
import postgres, { type Sql } from 'postgres';
import type { CutOrder } from './disk-main.ts';
import {
  findPowerObstacle,
  type Machine,
  type Medium,
  makeMedium,
  startMachine,
} from './machine.ts';

export type { Sql };

export interface CuttableServer {
  /** As the superuser. */
  readonly url: string;
  /** Resolves when nothing of the server is left but what is durable; says what became of the rest. */
  cut(order: CutOrder): Promise<string>;
  /** An orderly end: everything is durable afterwards. */
  shutDown(): Promise<void>;
  /** Ends it at once, however it is; for the end of a test. */
  destroy(): Promise<void>;
}

export interface CuttableStorage {
  /** Why only the server can be killed here; null where the power can be cut. */
  readonly obstacle: string | null;
  /**
   * Starts the storage's server, and makes it at the first time; resolves when it answers.
   *
   * @param options.port on 127.0.0.1
   * @param options.fsync false for a server that takes every write for durable
   * @throws Error or Fault with what kept it from starting
   */
  start(options: { readonly port: number; readonly fsync?: boolean }): Promise<CuttableServer>;
  /** Another one with the same content. The server must have been shut down. */
  copy(): Promise<CuttableStorage>;
  /** The server must have ended. */
  close(): void;
}

/** Sparse: it takes what is written. */
const mediumBytes = 1024 * 1024 * 1024;

/**
 * A free port that stays free while the server is down: it lies below those that the system gives
 * to whoever asks for any.
 */
export async function findQuietPort(): Promise<number> {
  const range = readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8');
  const end = Math.min(Number.parseInt(range, 10), 32_768);
  for (;;) {
    const port = randomInt(Math.min(10_000, end - 1000), end);
    if (await isPortFree(port)) return port;
  }
}

/** Runs `use` on a connection of its own, as who the URL says. */
export async function withSql<T>(url: string, use: (sql: Sql) => Promise<T>): Promise<T> {
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  try {
    return await use(sql);
  } finally {
    await sql.end({ timeout: 1 });
  }
}

/** Empty storage of the best kind that this machine allows. */
export async function openCuttableStorage(env: NodeJS.ProcessEnv): Promise<CuttableStorage> {
  // Never the operator's own database.
  const { DATABASE_URL: _, ...ownEnv } = env;
  const obstacle = await findPowerObstacle(ownEnv);
  if (obstacle === null) return onMedium(ownEnv, await makeMedium(ownEnv, mediumBytes));
  return inFolder(ownEnv, makeFolder(), obstacle);
}

function onMedium(env: NodeJS.ProcessEnv, medium: Medium): CuttableStorage {
  return {
    obstacle: null,
    async start(options) {
      const machine: Machine = await startMachine(env, medium, options);
      return {
        ...machine,
        async cut(order) {
          const { survived, lost } = await machine.cut(order);
          return `${lost} unflushed sectors lost, ${survived} kept`;
        },
      };
    },
    copy: async () => onMedium(env, await medium.copy()),
    close: () => medium.close(),
  };
}

function makeFolder(): string {
  // Not in memory: a folder there would be no storage at all.
  return makeThrowawayFolder('storage', tmpdir());
}

function inFolder(env: NodeJS.ProcessEnv, folder: string, obstacle: string): CuttableStorage {
  return {
    obstacle,
    async start(options) {
      const server = await startPostgres({
        ...options,
        env,
        dataFolder: folder,
        endWithParent: true,
      });
      const kill = () => killServer(join(folder, 'cluster'));
      return {
        url: server.url,
        async cut() {
          return `${await kill()} processes killed`;
        },
        shutDown: () => server.stop(),
        destroy: async () => void (await kill()),
      };
    },
    async copy() {
      const other = makeFolder();
      cpSync(folder, other, { recursive: true, preserveTimestamps: true });
      return inFolder(env, other, obstacle);
    },
    close: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** Kills everything that works on the data, sessions included; they are told by their folder. */
async function killServer(cluster: string): Promise<number> {
  const home = realpathSync(cluster);
  const processes = readdirSync('/proc').flatMap((name) => {
    const identity = identifyProcess(Number(name));
    return identity !== undefined && folderOf(identity.pid) === home ? [identity] : [];
  });
  for (const { pid } of processes) process.kill(pid, 'SIGKILL');
  while (processes.some(isAlive)) await systemClock.sleep(5);
  return processes.length;
}

function folderOf(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/cwd`);
  } catch {
    return undefined; // another user's, or gone
  }
}
