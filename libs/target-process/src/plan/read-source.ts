import { constants } from 'node:fs';
import { open, readdir, realpath } from 'node:fs/promises';
import { join, normalize } from 'node:path';
import { Fault } from '@pilotfish/kernel';
import { manifestNames, type SourceListing } from './build-plan.ts';

/** A lockfile of a very large application has some 3 MB. */
const manifestBytesMax = 20 * 1024 * 1024;

/**
 * The folder of the service inside the fetched repository. Throws a Fault `not_found` where it is
 * not there, and `invalid_input` where it would lie outside.
 */
export async function serviceFolder(tree: string, rootPath: string): Promise<string> {
  const relative = normalize(`/${rootPath}`).replace(/^\/+|\/+$/g, '');
  const root = await realpath(tree);
  const folder = await realpath(join(root, relative)).catch(() => undefined);
  if (folder === undefined) {
    throw new Fault('not_found', `The root path ${rootPath} does not exist in this commit.`);
  }
  // A symbolic link in the repository may point anywhere on the machine.
  if (folder !== root && !folder.startsWith(`${root}/`)) {
    throw new Fault('invalid_input', `The root path ${rootPath} leads out of the repository.`);
  }
  return folder;
}

/** Names and manifests of a folder; links are not followed, so nothing outside is ever read. */
export async function readSource(folder: string): Promise<SourceListing> {
  const names = new Set(await readdir(folder));
  names.delete('.git');
  const manifests: Record<string, string> = {};
  for (const name of manifestNames) {
    if (!names.has(name)) continue;
    const text = await readRegularFile(join(folder, name));
    if (text !== undefined) manifests[name] = text;
  }
  return { names, manifests };
}

async function readRegularFile(path: string): Promise<string | undefined> {
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  const file = await open(path, flags).catch((thrown: NodeJS.ErrnoException) => {
    if (thrown.code === 'ELOOP' || thrown.code === 'ENXIO') return undefined;
    throw thrown;
  });
  if (file === undefined) return undefined;
  try {
    const found = await file.stat();
    if (!found.isFile() || found.size > manifestBytesMax) return undefined;
    return await file.readFile('utf8');
  } finally {
    await file.close();
  }
}
