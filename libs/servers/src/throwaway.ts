/** Servers for tests: in memory where the machine has /dev/shm, gone with the process that asked. */
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { identifyProcess } from '@pilotfish/runtime';
import { findFreePorts, isPortFree } from './free-port.ts';
import { startNats } from './nats-server.ts';
import { startPostgres } from './postgres-server.ts';
import { stopProcess } from './stop-process.ts';

export interface ThrowawayServer {
  readonly url: string;
  /** Stops the server without ceremony and removes its folder. */
  stop(): Promise<void>;
}

const portTries = 3;

/** A free port may be taken between finding and using it when several test files start at once. */
async function withFreePort<T>(start: (port: number) => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    const [port = 0] = await findFreePorts(1);
    try {
      return await start(port);
    } catch (error) {
      if (tries >= portTries || (await isPortFree(port))) throw error;
    }
  }
}

/**
 * A folder named by the process that owns it: those of killed test runs can be told by that, and
 * are removed.
 *
 * @param parent in memory unless told, where the machine has /dev/shm
 */
export function makeThrowawayFolder(
  name: string,
  parent = existsSync('/dev/shm') ? '/dev/shm' : tmpdir(),
): string {
  for (const entry of readdirSync(parent)) {
    const owner = /^pilotfish-throwaway-(\d+)-/.exec(entry)?.[1];
    if (owner === undefined || identifyProcess(Number(owner)) !== undefined) continue;
    try {
      rmSync(join(parent, entry), { recursive: true, force: true });
    } catch {
      // Another user's, or another process is removing it just now.
    }
  }
  return mkdtempSync(join(parent, `pilotfish-throwaway-${process.pid}-${name}-`));
}

/** An empty PostgreSQL of its own with fsync off, ready in about a second. */
export async function startThrowawayPostgres(options: {
  readonly env: NodeJS.ProcessEnv;
}): Promise<ThrowawayServer> {
  const dataFolder = makeThrowawayFolder('postgres');
  // DATABASE_URL is left out: a test must never write into an operator's database.
  const { DATABASE_URL: _, ...env } = options.env;
  const server = await withFreePort((port) =>
    startPostgres({ env, dataFolder, port, fsync: false, endWithParent: true }),
  );
  const kill = [
    { signal: 'SIGQUIT', waitMs: 5_000 },
    { signal: 'SIGKILL', waitMs: 2_000 },
  ] as const;
  return {
    url: server.url,
    async stop() {
      if (server.process !== undefined) await stopProcess(server.process, kill);
      rmSync(dataFolder, { recursive: true, force: true });
    },
  };
}

/**
 * A nats-server of its own with JetStream.
 *
 * @param options.config makes the rest of the configuration (operator mode, accounts) from the
 *   server's folder; without it everybody may do everything
 */
export async function startThrowawayNats(options: {
  readonly env: NodeJS.ProcessEnv;
  readonly config?: (folder: string) => string;
}): Promise<ThrowawayServer> {
  const folder = makeThrowawayFolder('nats');
  const { NATS_URL: _, ...env } = options.env;
  const configFile = join(folder, 'nats.conf');
  const store = `jetstream { store_dir: ${JSON.stringify(join(folder, 'data'))} }`;
  const rest = options.config?.(folder) ?? '';
  const server = await withFreePort((port) => {
    const text = `listen: "127.0.0.1:${port}"\n${store}\n${rest}`;
    writeFileSync(configFile, text, { mode: 0o600 });
    return startNats({ env, folder, configFile, port, endWithParent: true });
  });
  return {
    url: server.url,
    async stop() {
      await server.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
