import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { startPostgres } from '@pilotfish/servers';
import type { Platform } from './platform.ts';

const run = promisify(execFile);

/** What an operator does by hand with the programs that come with the server. */
export interface DatabaseBackup {
  dump(file: string): Promise<void>;
  /** Puts everything back as it was; nobody may be connected. */
  restore(file: string): Promise<void>;
  /** The first column of the first row. */
  read(query: string): Promise<string>;
}

/** The private server of a running platform, as its superuser. */
export async function openDatabaseBackup({ home }: Platform): Promise<DatabaseBackup> {
  const env = { ...process.env, DATABASE_URL: '' };
  // It runs already: this only finds it, and the port is not looked at.
  const server = await startPostgres({ env, dataFolder: join(home, 'postgres'), port: 0 });
  const { binaries } = server;
  if (binaries === undefined || !server.adopted) throw new Error('no private server runs');
  const url = new URL(server.url);
  const asSuperuser = {
    env: {
      ...env,
      ...binaries.env,
      PGHOST: url.hostname,
      PGPORT: url.port,
      PGUSER: url.username,
      PGPASSWORD: url.password,
      PGDATABASE: url.pathname.slice(1),
    },
  };
  const call = async (program: string, ...args: string[]) => {
    const { stdout } = await run(join(binaries.binFolder, program), args, asSuperuser);
    return stdout.trim();
  };
  const query = (sql: string) =>
    call('psql', '--no-psqlrc', '-qAt', '-v', 'ON_ERROR_STOP=1', '-c', sql);
  return {
    dump: async (file) => {
      await call('pg_dump', '--format=custom', `--file=${file}`);
    },
    restore: async (file) => {
      await query('drop schema public cascade; create schema public');
      await call('pg_restore', '--dbname', url.pathname.slice(1), '--exit-on-error', file);
    },
    read: query,
  };
}
