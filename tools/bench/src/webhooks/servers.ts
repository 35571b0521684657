/** The servers of a run: private, on free ports, in a folder of their own on a real disk. */
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createAuthority, openAuthorityKeys } from '@pilotfish/bus';
import { createKeyFile, createSecretFile } from '@pilotfish/crypto';
import { systemClock } from '@pilotfish/kernel';
import { findFreePorts, startNats, startPostgres } from '@pilotfish/servers';
import { migrate } from '@pilotfish/store';
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
  /** Only for the gateway's doorbell. */
  readonly nats: RunningServer;
  /** What `core-api migrate` leaves for the gateway. */
  readonly identityFolder: string;
  readonly hookKey: Buffer;
  /** A nats-server with JetStream and nothing else. */
  startJetStream(name: string, syncAlways: boolean): Promise<RunningServer>;
}

/** PostgreSQL as `npm start` configures it: durable, with its defaults. */
export async function startServers(
  outerEnv: NodeJS.ProcessEnv,
  cleanUp: CleanUp,
  say: (progress: string) => void,
): Promise<Servers> {
  // Never an operator's servers.
  const { DATABASE_URL: _, NATS_URL: __, ...env } = outerEnv;
  const folder = mkdtempSync(join(tmpdir(), 'pilotfish-bench-'));
  cleanUp.remove(folder);
  const [postgresPort = 0, natsPort = 0] = await findFreePorts(2);
  const dataFolder = join(folder, 'postgres');
  const base = { env, endWithParent: true, onProgress: say };
  const server = await startPostgres({ ...base, dataFolder, port: postgresPort });
  cleanUp.defer(() => server.stop());
  const password = randomBytes(24).toString('hex');
  await migrate({ url: server.url, passwords: { webhook_gateway: password } });
  const sql = postgres(server.url, { max: 1, onnotice: () => {} });
  cleanUp.defer(() => sql.end({ timeout: 1 }));
  await sql`select pilotfish_ensure_partitions(current_date - 1, current_date + 2)`;

  const startNatsOf = async (name: string, config: (folder: string, port: number) => string) => {
    const own = join(folder, name);
    mkdirSync(own);
    const port = name === 'nats' ? natsPort : ((await findFreePorts(1))[0] ?? 0);
    const configFile = join(own, 'nats.conf');
    writeFileSync(configFile, config(own, port), { mode: 0o600 });
    const running = await startNats({ ...base, folder: own, configFile, port });
    cleanUp.defer(() => running.stop());
    return { url: running.url, pid: running.process?.pid ?? 0 };
  };
  const authority = createAuthority(await openAuthorityKeys(join(folder, 'keys')), {
    clock: systemClock,
  });
  const stores = { storeFolder: join(folder, 'bus'), resolverFolder: join(folder, 'resolver') };
  const place = { host: '127.0.0.1', port: natsPort, serverName: 'bench', ...stores };
  const operatorConfig = await authority.serverConfig(place, []);
  const nats = await startNatsOf('nats', () => operatorConfig);

  const identityFolder = join(folder, 'identity');
  mkdirSync(identityFolder, { mode: 0o700 });
  const identity = (file: string) => join(identityFolder, `webhook-gateway.${file}`);
  const own = new URL(server.url);
  Object.assign(own, { username: 'pilotfish_webhook_gateway', password });
  const hookKey = randomBytes(32);
  await createSecretFile(identity('database-url'), `${own.href}\n`);
  await createSecretFile(identity('creds'), await authority.serviceCredentials('webhook-gateway'));
  await createKeyFile(identity('key'), hookKey);
  return {
    folder,
    postgres: { url: server.url, pid: server.process?.pid ?? 0 },
    sql,
    nats,
    identityFolder,
    hookKey,
    startJetStream: (name, syncAlways) =>
      startNatsOf(name, (own, port) => {
        const sync = syncAlways ? ', sync_interval: always' : '';
        return `listen: "127.0.0.1:${port}"\njetstream { store_dir: "${own}/data"${sync} }\n`;
      }),
  };
}
