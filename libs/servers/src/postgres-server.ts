/**
 * A PostgreSQL server of our own.
 *
 * Life: initdb on first use (into a folder beside, renamed when complete) → start detached → ready
 * → stop. The server outlives its starter on purpose: after a crash of `npm start` the next one
 * finds it by postmaster.pid and adopts it. What lies in the data folder:
 * `cluster/` (PostgreSQL's own), `superuser-password` (0600), `postgres.log`.
 */
import { randomBytes } from 'node:crypto';
import {
  chownSync,
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { Fault, systemClock } from '@pilotfish/kernel';
import { identifyProcess, isAlive, type ProcessIdentity } from '@pilotfish/runtime';
import { isPortFree, takenPort } from './free-port.ts';
import { ensurePostgresBinaries, type PostgresBinaries } from './postgres-binaries.ts';
import { requireCommand, runCommand } from './run-command.ts';
import { launchDetached, readLogTail, waitUntilReady } from './server-process.ts';
import { stopProcess } from './stop-process.ts';
import { chooseUnprivileged, type Unprivileged } from './unprivileged.ts';

const superuser = 'pilotfish';
/** Above every Linux pid (2^22 at most) and still a positive pid_t. */
const impossiblePid = 2 ** 31 - 2;
/** How long sessions of a killed server may take to notice that it is gone. */
const orphansMsMax = 30_000;

export interface StartPostgresOptions {
  /** DATABASE_URL, PATH and XDG_CACHE_HOME are read from it; the server gets a clean environment. */
  readonly env: NodeJS.ProcessEnv;
  /** Made if missing. One folder belongs to one server. */
  readonly dataFolder: string;
  /** On 127.0.0.1. An adopted server keeps the port it has: read it from the URL. */
  readonly port: number;
  /** False for tests: several times faster, and the data do not survive a power failure. */
  readonly fsync?: boolean;
  /** True for tests: the server ends with its starter, even by kill -9. */
  readonly endWithParent?: boolean;
  readonly onProgress?: (sentence: string) => void;
}

export interface RunningPostgres {
  /** With user and password, and the database `postgres`: never to be logged. */
  readonly url: string;
  /** Undefined for a server of the operator (DATABASE_URL), which is never stopped by us. */
  readonly process: ProcessIdentity | undefined;
  /** True when the server was running already. */
  readonly adopted: boolean;
  /** Undefined for a server of the operator. */
  readonly binaries: PostgresBinaries | undefined;
  stop(): Promise<void>;
}

interface Postmaster {
  readonly identity: ProcessIdentity;
  readonly port: number;
  readonly isReady: boolean;
}

/** Reads postmaster.pid; undefined when no server of this very folder lives. */
function findPostmaster(cluster: string): Postmaster | undefined {
  const path = join(cluster, 'postmaster.pid');
  if (!existsSync(path)) return undefined;
  const lines = readFileSync(path, 'utf8').split('\n');
  const identity = identifyProcess(Number(lines[0]));
  if (identity === undefined) return undefined;
  try {
    // The pid may have been used again since: only a server of this folder works inside it.
    if (readlinkSync(`/proc/${identity.pid}/cwd`) !== realpathSync(cluster)) return undefined;
  } catch {
    return undefined;
  }
  return { identity, port: Number(lines[3]), isReady: lines[7]?.trim() === 'ready' };
}

async function initialize(
  dataFolder: string,
  binaries: PostgresBinaries,
  as: Unprivileged,
): Promise<void> {
  const passwordFile = join(dataFolder, 'superuser-password');
  const unfinished = join(dataFolder, 'cluster.new');
  rmSync(unfinished, { recursive: true, force: true });
  // Flushed as initdb flushes the cluster: a power cut must not leave one without the other.
  const password = randomBytes(24).toString('base64url');
  writeFileSync(passwordFile, password, { mode: 0o600, flush: true });
  if (as.uid !== undefined) chownSync(passwordFile, as.uid, as.gid ?? as.uid);
  const flags = ['-D', unfinished, '-U', superuser, '--encoding=UTF8', '--no-instructions'];
  const auth = ['--auth=scram-sha-256', `--pwfile=${passwordFile}`];
  const argv = [...as.prefix, join(binaries.binFolder, 'initdb'), ...flags, ...auth];
  const options = { env: serverEnv(binaries), timeoutMs: 120_000, cwd: dataFolder, ...userOf(as) };
  const inUtf8 = [...argv, '--locale=C.UTF-8'];
  if ((await runCommand(inUtf8, options)).exitCode !== 0) {
    // Not every libc has that locale; C sorts the same way and knows letter case of ASCII only.
    rmSync(unfinished, { recursive: true, force: true });
    await requireCommand([...argv, '--locale=C'], options);
  }
  renameSync(unfinished, join(dataFolder, 'cluster'));
  syncFolder(dataFolder);
}

/** Makes the names in a folder durable: a new file or a rename is none before. */
function syncFolder(folder: string): void {
  const descriptor = openSync(folder, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

function userOf(as: Unprivileged): { uid?: number; gid?: number } {
  return as.uid === undefined ? {} : { uid: as.uid, gid: as.gid ?? as.uid };
}

function serverEnv(binaries: PostgresBinaries): Record<string, string> {
  return { PATH: '/usr/bin:/bin:/usr/sbin:/sbin', LC_ALL: 'C', ...binaries.env };
}

function settings(options: StartPostgresOptions): string[] {
  const values: Record<string, string> = {
    listen_addresses: '127.0.0.1',
    port: String(options.port),
    // A socket's path may be 107 bytes long, a home folder longer; TCP with a password it is.
    unix_socket_directories: '',
    max_connections: '200',
    // Compiling plans costs more than the short queries of a control plane ever gain.
    jit: 'off',
    log_min_messages: 'warning',
    // The only zone that needs no tzdata on the machine; instants are stored as UTC anyway.
    timezone: 'GMT',
    log_timezone: 'GMT',
    ...(options.fsync === false
      ? { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' }
      : {}),
  };
  return Object.entries(values).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
}

function readClusterMajor(dataFolder: string): number | undefined {
  const path = join(dataFolder, 'cluster/PG_VERSION');
  return existsSync(path) ? Number(readFileSync(path, 'utf8')) : undefined;
}

function urlOf(dataFolder: string, port: number): string {
  const password = readFileSync(join(dataFolder, 'superuser-password'), 'utf8').trim();
  return `postgres://${superuser}:${password}@127.0.0.1:${port}/postgres`;
}

async function stopPostgres(identity: ProcessIdentity): Promise<void> {
  // Fast shutdown, then an immediate one (replays its log at the next start), then by force.
  const stopped = await stopProcess(identity, [
    { signal: 'SIGINT', waitMs: 15_000 },
    { signal: 'SIGQUIT', waitMs: 5_000 },
    { signal: 'SIGKILL', waitMs: 2_000 },
  ]);
  if (!stopped) throw new Fault('timeout', `PostgreSQL (pid ${identity.pid}) does not stop`);
}

/**
 * Whoever a left-over postmaster.pid names is no server of this folder, or we would have adopted it,
 * but PostgreSQL refuses to start when that pid merely exists. The pid is made an impossible one;
 * the file stays, because it names the shared memory by which PostgreSQL sees that sessions of a
 * killed server still work on the data.
 */
function freePidFile(path: string): void {
  if (!existsSync(path)) return;
  const [, ...rest] = readFileSync(path, 'utf8').split('\n');
  // Written in place: it keeps its owner.
  if (rest.length > 0) writeFileSync(path, [impossiblePid, ...rest].join('\n'));
  else rmSync(path);
}

async function launch(
  options: StartPostgresOptions,
  binaries: PostgresBinaries,
): Promise<ProcessIdentity> {
  const { dataFolder } = options;
  const cluster = join(dataFolder, 'cluster');
  const program = join(binaries.binFolder, 'postgres');
  const as = await chooseUnprivileged(dataFolder, program);
  if (!existsSync(cluster)) {
    options.onProgress?.('Creating the database.');
    await initialize(dataFolder, binaries, as);
  }
  freePidFile(join(cluster, 'postmaster.pid'));
  const giveUpMs = systemClock.monotonicMs() + orphansMsMax;
  for (;;) {
    const logFile = join(dataFolder, 'postgres.log');
    const identity = launchDetached({
      prefix: as.prefix,
      program,
      args: ['-D', cluster, ...settings(options)],
      env: serverEnv(binaries),
      logFile,
      endWithParent: options.endWithParent === true,
      ...userOf(as),
    });
    try {
      await waitUntilReady({
        name: 'PostgreSQL',
        isReady: () => Promise.resolve(findPostmaster(cluster)?.isReady === true),
        isAlive: () => isAlive(identity),
        logTail: () => readLogTail(logFile),
      });
      return identity;
    } catch (error) {
      // Sessions of a killed server end by themselves; until then no new one may touch the data.
      if (!(await isPortFree(options.port))) throw takenPort('PostgreSQL', options.port, error);
      const isTooEarly = readLogTail(logFile).includes('is still in use');
      if (!isTooEarly || systemClock.monotonicMs() > giveUpMs) throw error;
      await systemClock.sleep(200);
    }
  }
}

/**
 * Starts PostgreSQL on the data folder, or adopts the one that runs on it, or takes the server of
 * `env.DATABASE_URL` as it is. Resolves when connections are accepted.
 *
 * @throws Fault `unavailable` with one sentence that tells what is missing or failed
 */
export async function startPostgres(options: StartPostgresOptions): Promise<RunningPostgres> {
  const external = options.env.DATABASE_URL;
  if (external) {
    const stop = () => Promise.resolve();
    return { url: external, process: undefined, adopted: true, binaries: undefined, stop };
  }
  const { dataFolder, env, onProgress } = options;
  mkdirSync(dataFolder, { recursive: true, mode: 0o700 });
  const major = readClusterMajor(dataFolder);
  const binaries = await ensurePostgresBinaries({
    env,
    ...(major === undefined ? {} : { major }),
    ...(onProgress === undefined ? {} : { onProgress }),
  });
  const running = findPostmaster(join(dataFolder, 'cluster'));
  const identity = running?.identity ?? (await launch(options, binaries));
  return {
    url: urlOf(dataFolder, running?.port ?? options.port),
    process: identity,
    adopted: running !== undefined,
    binaries,
    stop: () => stopPostgres(identity),
  };
}
