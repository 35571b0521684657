/** One program of the machine's own Debian release with the libraries that the machine lacks. */
import { mkdirSync, readdirSync, rmSync } from 'node:fs';
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
  const parent = join(root, 'usr/lib');
  const triplets = readdirSync(parent).filter((name) => name.endsWith('-linux-gnu'));
  return [...triplets.map((name) => join(parent, name)), parent].join(':');
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
