import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { Fault } from '@pilotfish/kernel';
import { openPrivateApt } from './debian-packages.ts';
import { type InstallContext, installOnce } from './install-once.ts';
import { requireCommand, runCommand } from './run-command.ts';

/** Older releases lose acknowledged data on power failure and mix up accounts. */
const versionMin = [2, 10, 27] as const;
const debianSuite = 'trixie';
/** What Go builds where Debian's packages are not to be had. */
const goModule = 'github.com/nats-io/nats-server/v2@v2.12.1';

/** The machine's own, Debian's package unpacked, or built by the machine's Go. */
export type NatsWay = 'machine' | 'debian' | 'go';

export interface EnsureNatsOptions {
  readonly env: NodeJS.ProcessEnv;
  /** Tried in this order; tests leave some out, as a machine without them would. */
  readonly ways?: readonly NatsWay[];
  /** Told before anything that takes longer than a moment. */
  readonly onProgress?: (sentence: string) => void;
}

/** Compares by number, part for part; a version that cannot be read is never sufficient. */
export function isSufficientNatsVersion(output: string): boolean {
  const match = /v?(\d+)\.(\d+)\.(\d+)/.exec(output);
  if (match === null) return false;
  for (const [index, least] of versionMin.entries()) {
    const part = Number(match[index + 1]);
    if (part !== least) return part > least;
  }
  return true;
}

async function accept(path: string, env: NodeJS.ProcessEnv): Promise<string | undefined> {
  if (!existsSync(path)) return undefined;
  const answer = await runCommand([path, '--version'], { env, timeoutMs: 10_000 });
  return isSufficientNatsVersion(answer.stdout) ? path : undefined;
}

async function findOnMachine(env: NodeJS.ProcessEnv): Promise<string | undefined> {
  const folders = (env.PATH ?? '').split(':').filter((folder) => folder.startsWith('/'));
  for (const folder of [...folders, '/usr/sbin', '/usr/local/sbin']) {
    const path = await accept(join(folder, 'nats-server'), env);
    if (path !== undefined) return path;
  }
  return undefined;
}

async function unpackDebianPackage(context: InstallContext): Promise<string> {
  const folder = await installOnce(
    context,
    `nats-server-${debianSuite}`,
    async (temporaryFolder) => {
      const work = join(temporaryFolder, 'apt');
      mkdirSync(work);
      // A Go program brings its libraries, so a newer suite than the machine's own is safe.
      const apt = await openPrivateApt(work, context.env, debianSuite);
      await apt.unpack(['nats-server'], temporaryFolder);
      rmSync(work, { recursive: true });
    },
  );
  return join(folder, 'usr/sbin/nats-server');
}

async function buildWithGo(context: InstallContext): Promise<string> {
  const { env } = context;
  const name = `nats-server-go-${goModule.slice(goModule.lastIndexOf('@') + 1)}`;
  const folder = await installOnce(context, name, async (temporaryFolder) => {
    const workspace = join(temporaryFolder, 'go');
    const goEnv = {
      ...env,
      GOPATH: workspace,
      GOBIN: temporaryFolder,
      GOCACHE: join(workspace, 'cache'),
      // Go makes its module cache read-only, which would keep us from removing it.
      GOFLAGS: `${env.GOFLAGS ?? ''} -modcacherw`.trim(),
      CGO_ENABLED: '0',
    };
    const options = { env: goEnv, cwd: temporaryFolder, timeoutMs: 9 * 60_000 };
    await requireCommand(['go', 'install', goModule], options);
    rmSync(workspace, { recursive: true, force: true });
  });
  return join(folder, 'nats-server');
}

async function installBy(way: 'debian' | 'go', context: InstallContext): Promise<string> {
  const install = way === 'debian' ? unpackDebianPackage : buildWithGo;
  const path = await accept(await install(context), context.env);
  if (path === undefined) throw new Fault('unavailable', 'what was installed does not run here');
  return path;
}

/**
 * Finds nats-server 2.10.27 or newer on the machine, else installs it privately. Returns its path.
 *
 * @throws Fault `unavailable` with one sentence that says what to install
 */
export async function ensureNatsBinary(options: EnsureNatsOptions): Promise<string> {
  const failures: string[] = [];
  for (const way of options.ways ?? ['machine', 'debian', 'go']) {
    try {
      if (way !== 'machine') return await installBy(way, options);
      const found = await findOnMachine(options.env);
      if (found !== undefined) return found;
    } catch (error) {
      failures.push(`${way}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  const wanted = `nats-server ${versionMin.join('.')} or newer`;
  throw new Fault(
    'unavailable',
    `${wanted} is needed: put it on the PATH, or install Go, or set NATS_URL to a running server.`,
    { internal: failures.join('; ') },
  );
}
