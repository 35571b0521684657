/** One program of the machine's own Debian release with the libraries that the machine lacks. */
import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { Fault } from '@pilotfish/kernel';
import { listInstalled, openPrivateApt, type PrivateApt } from './debian-packages.ts';
import { type InstallContext, installOnce } from './install-once.ts';

/** Libraries that must be the machine's own, and the compiler of a JIT that we switch off. */
const neverPrivate = /^(libc6|libc-bin|libgcc-s1|libcrypt1|libllvm.*|libperl.*|libpython.*)$/;

/** The libraries that the package needs and the machine has not. */
export async function missingLibraries(
  apt: PrivateApt,
  packageName: string,
  env: NodeJS.ProcessEnv,
): Promise<string[]> {
  const installed = await listInstalled(env);
  return (await apt.listNeeded(packageName)).filter(
    (needed) => needed.startsWith('lib') && !installed.has(needed) && !neverPrivate.test(needed),
  );
}

/** Where a folder of unpacked packages keeps its libraries, as LD_LIBRARY_PATH wants it. */
export function libraryPath(root: string): string {
  const parents = [join(root, 'usr/lib'), join(root, 'lib')].filter((path) => existsSync(path));
  const folders = parents.flatMap((parent) => {
    const triplets = readdirSync(parent).filter((name) => name.endsWith('-linux-gnu'));
    return [...triplets.map((name) => join(parent, name)), parent];
  });
  return folders.join(':');
}

/**
 * Unpacks a package of the machine's own Debian (or Ubuntu) release for this user alone, unless
 * that was done before.
 *
 * @returns the folder below which the program lies (`usr/bin/…`) and what its environment needs
 * @throws Fault `unavailable` where the machine is no Debian or its release lacks the package
 */
export async function installDebianProgram(
  context: InstallContext,
  packageName: string,
): Promise<{ readonly folder: string; readonly env: Readonly<Record<string, string>> }> {
  const { env } = context;
  const folder = await installOnce(context, `debian-${packageName}`, async (temporaryFolder) => {
    const work = join(temporaryFolder, 'apt');
    mkdirSync(work);
    const apt = await openPrivateApt(work, env);
    if ((await apt.findVersion(packageName)) === undefined) {
      throw new Fault('unavailable', `the package sources have no ${packageName}`);
    }
    const libraries = await missingLibraries(apt, packageName, env);
    await apt.unpack([packageName, ...libraries], temporaryFolder);
    rmSync(work, { recursive: true });
  });
  return { folder, env: { LD_LIBRARY_PATH: libraryPath(folder) } };
}

export interface EnsureProgramOptions extends InstallContext {
  /** As it is called, for example `mkfs.ext4`. */
  readonly program: string;
  /** Debian's package that has it. */
  readonly packageName: string;
  /** Tried in this order; tests leave some out, as a machine without them would. */
  readonly ways?: readonly ('machine' | 'debian')[];
}

/** Where programs lie; those of the administrator are on nobody else's PATH. */
const programFolders = ['/usr/bin', '/usr/sbin', '/bin', '/sbin'];

/**
 * Finds a program of the system on the machine, else unpacks Debian's package privately.
 *
 * @returns where it is, and what its environment needs
 * @throws Fault `unavailable` with one sentence that says what to install
 */
export async function ensureProgram(
  options: EnsureProgramOptions,
): Promise<{ readonly path: string; readonly env: Readonly<Record<string, string>> }> {
  const { env, packageName, program, ways = ['machine', 'debian'] } = options;
  const find = (folders: readonly string[]) =>
    folders.map((folder) => join(folder, program)).find((path) => existsSync(path));
  const onPath = (env.PATH ?? '').split(':').filter((folder) => folder.startsWith('/'));
  const found = find([...onPath, ...programFolders]);
  if (found !== undefined && ways.includes('machine')) return { path: found, env: {} };
  let cause: unknown;
  try {
    if (ways.includes('debian')) {
      const installed = await installDebianProgram(options, packageName);
      const path = find(programFolders.map((folder) => join(installed.folder, folder)));
      if (path !== undefined) return { path, env: installed.env };
    }
  } catch (error) {
    cause = error;
  }
  const detail = `${program} is needed: install the package ${packageName}.`;
  throw new Fault('unavailable', detail, { cause });
}
