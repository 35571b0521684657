/** The servers of a run: private, on free ports, in a folder of their own on a real disk. */
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readKeyFile } from '@pilotfish/crypto';
import { Fault } from '@pilotfish/kernel';
import { buildsFolder, ensureBundles, runOneShot } from '@pilotfish/platform';
import { findFreePorts, startNats, startPostgres, tryFileLock } from '@pilotfish/servers';
import postgres, { type Sql } from 'postgres';
import type { CleanUp } from '../clean-up.ts';

export interface RunningServer {
  readonly url: string;
  readonly pid: number;
}

export interface Servers {
  readonly folder: string;
  readonly postgres: RunningServer;
  /** The superuser, for looking at what was stored. */
  readonly sql: Sql;
  /** As the services use it: for the gateway's doorbell, and for core-api. */
  readonly nats: RunningServer;
  /** What `core-api migrate` left for the services. */
  readonly identityFolder: string;
  /** Encrypts the secrets of webhooks. */
  readonly hookKey: Uint8Array;
  /** A nats-server with JetStream and nothing else. */
  startJetStream(name: string, syncAlways: boolean): Promise<RunningServer>;
}

export interface ServersOptions {
  readonly env: NodeJS.ProcessEnv;
  /** Of the repository. */
  readonly root: string;
  readonly cleanUp: CleanUp;
  readonly say: (progress: string) => void;
}

/**
 * PostgreSQL and nats-server as `npm start` has them: durable, migrated, with identities.
 *
 * @throws Fault `conflict` where another benchmark has servers on this machine
 */
export async function startServers(options: ServersOptions): Promise<Servers> {
  const { cleanUp, say, root } = options;
  // Never an operator's servers.
  const { DATABASE_URL: _, NATS_URL: __, ...env } = options.env;
  const lock = tryFileLock(join(tmpdir(), 'pilotfish-bench.lock'));
  if (lock === undefined) {
    throw new Fault('conflict', 'Another benchmark runs here: they would disturb each other');
  }
  cleanUp.defer(() => lock.release());
  const folder = mkdtempSync(join(tmpdir(), 'pilotfish-bench-'));
  cleanUp.remove(folder);
  const [postgresPort = 0, natsPort = 0] = await findFreePorts(2);
  const base = { env, endWithParent: true, onProgress: say };
  const dataFolder = join(folder, 'postgres');
  const server = await startPostgres({ ...base, dataFolder, port: postgresPort });
  cleanUp.defer(() => server.stop());
  const identityFolder = join(folder, 'identity');
  const natsFolder = join(folder, 'nats');
  mkdirSync(natsFolder);
  const { id } = await ensureBundles(root);
  for (const command of ['migrate', 'nats-config']) {
    await runOneShot({
      program: join(buildsFolder(root), id, 'core-api/main.mjs'),
      args: [command],
      env: {
        PATH: env.PATH ?? '',
        DATABASE_URL: server.url,
        NATS_URL: `nats://127.0.0.1:${natsPort}`,
        NATS_SERVER_DIR: natsFolder,
        PILOTFISH_IDENTITY_DIR: identityFolder,
      },
      onLine: () => undefined,
      signal: AbortSignal.timeout(120_000),
    });
  }
  const startNatsOf = async (own: string, configFile: string, port: number) => {
    const running = await startNats({ ...base, folder: own, configFile, port });
    cleanUp.defer(() => running.stop());
    return { url: running.url, pid: running.process?.pid ?? 0 };
  };
  const nats = await startNatsOf(natsFolder, join(natsFolder, 'nats-server.conf'), natsPort);
  const sql = postgres(server.url, { max: 1, onnotice: () => {} });
  cleanUp.defer(() => sql.end({ timeout: 1 }));
  return {
    folder,
    postgres: { url: server.url, pid: server.process?.pid ?? 0 },
    sql,
    nats,
    identityFolder,
    hookKey: await readKeyFile(join(identityFolder, 'webhook-gateway.key')),
    async startJetStream(name, syncAlways) {
      const own = join(folder, name);
      mkdirSync(own);
      const [port = 0] = await findFreePorts(1);
      const sync = syncAlways ? ', sync_interval: always' : '';
      const configFile = join(own, 'nats.conf');
      const stream = `jetstream { store_dir: "${own}/data"${sync} }`;
      writeFileSync(configFile, `listen: "127.0.0.1:${port}"\n${stream}\n`);
      return await startNatsOf(own, configFile, port);
    },
  };
}
