/**
 * Where builds and releases of applications lie. Node looks for packages in every `node_modules`
 * above a file, and nothing can forbid it that: below the platform's own repository, applications
 * would find the platform's packages and work here and nowhere else. A home below a `node_modules`
 * therefore has them in another place of the user, each side naming the other.
 */
import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { readJsonFile, writeJsonFile } from './json-file.ts';

interface Link {
  readonly folder: string;
}

interface BackLink {
  readonly home: string;
}

const linkFile = 'applications.json';
const backLinkFile = 'home.json';

/** The folder above `folder` whose `node_modules` Node would look into, if there is one. */
export function findPackagesAbove(folder: string): string | undefined {
  for (let above = dirname(folder); ; above = dirname(above)) {
    if (existsSync(join(above, 'node_modules'))) return above;
    if (above === dirname(above)) return undefined;
  }
}

/**
 * The folder for a home's builds and releases; made at the first start, the same at each later one.
 * Removes those of homes that are gone.
 *
 * @param warn gets one sentence where applications can load packages that lie above them
 */
export function openApplicationsFolder(
  home: string,
  env: NodeJS.ProcessEnv,
  warn: (sentence: string) => void,
): string {
  const others = join(
    env.XDG_DATA_HOME || join(env.HOME || homedir(), '.local/share'),
    'pilotfish/applications',
  );
  const known = findKnown(home);
  removeOrphans(others);
  if (known !== undefined) return known;
  const inside = join(home, 'engine/target');
  const above = findPackagesAbove(inside);
  if (above === undefined) return inside;
  // Running applications have their files there already: they stay.
  const isUsed = existsSync(inside);
  if (isUsed || findPackagesAbove(join(others, 'any')) !== undefined) {
    const help = isUsed
      ? 'use a new PILOTFISH_HOME to be rid of that'
      : 'set PILOTFISH_HOME to a folder elsewhere';
    warn(
      `Applications can load packages of ${join(above, 'node_modules')}, because ${home} lies below it: ${help}.`,
    );
    return inside;
  }
  const folder = join(others, randomUUID().slice(0, 8));
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  // The way back last: the start of another home removes what no home names.
  writeJsonFile(join(home, linkFile), { folder } satisfies Link);
  writeJsonFile(join(folder, backLinkFile), { home } satisfies BackLink);
  return folder;
}

/** The folder that the home names, unless the home is a copy of the one whose folder it is. */
function findKnown(home: string): string | undefined {
  const folder = readJsonFile<Link>(join(home, linkFile))?.folder;
  if (folder === undefined) return undefined;
  const owner = readJsonFile<BackLink>(join(folder, backLinkFile))?.home;
  if (owner === undefined) return undefined;
  if (owner === home) return folder;
  if (existsSync(join(owner, linkFile))) return undefined;
  writeJsonFile(join(folder, backLinkFile), { home } satisfies BackLink);
  return folder;
}

/**
 * A home that was removed or made anew does not name its old folder any more. One whose disk is
 * merely not there keeps it: then the folder that the home was in is missing as well.
 */
function removeOrphans(others: string): void {
  if (!existsSync(others)) return;
  for (const name of readdirSync(others)) {
    const folder = join(others, name);
    const home = readJsonFile<BackLink>(join(folder, backLinkFile))?.home;
    if (home === undefined || !existsSync(dirname(home))) continue;
    if (readJsonFile<Link>(join(home, linkFile))?.folder === folder) continue;
    rmSync(folder, { recursive: true, force: true });
  }
}
