/**
 * Folders that this target made, each with a marker inside that says so. Nothing is removed that
 * does not carry the marker of this very target: a wrong path, a foreign folder under the same
 * name or another target's data end in a refusal, not in a deletion.
 */
import { randomUUID } from 'node:crypto';
import { lstat, mkdir, readdir, realpath, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { Fault } from '@pilotfish/kernel';
import { z } from 'zod';
import { readJsonFile, syncDirectory, writeDurably } from './durable-file.ts';
import type { Layout } from './layout.ts';

const ownerFileName = '.pilotfish-owner.json';

const OwnerMarker = z.looseObject({
  owner: z.literal('pilotfish-process-target'),
  /** Which target's data folder it belongs to. */
  targetId: z.string(),
  kind: z.enum(['service', 'release', 'artefact', 'repository', 'dependencies', 'caches']),
  /** Equals the folder's own name, so that a moved or copied folder is not taken for the original. */
  id: z.string(),
});
export type OwnedKind = z.infer<typeof OwnerMarker>['kind'];

const TargetFile = z.looseObject({ targetId: z.string() });

/** The id of this data folder, made at its first use. */
export async function readTargetId(layout: Layout): Promise<string> {
  const found = await readJsonFile(layout.targetFile, TargetFile);
  if (found !== undefined) return found.targetId;
  await mkdir(layout.dataDir, { recursive: true, mode: 0o700 });
  const targetId = randomUUID();
  await writeDurably(layout.targetFile, `${JSON.stringify({ targetId })}\n`);
  return targetId;
}

export interface OwnedFolders {
  /** Makes the folder and its marker; one that is there already stays as it is. */
  create(path: string, kind: OwnedKind): Promise<void>;
  /** Writes the marker of a folder that will have `id` as its name. */
  mark(path: string, kind: OwnedKind, id: string): Promise<void>;
  /**
   * Removes a folder: reads its marker afresh, moves it aside by a rename, then deletes. One that
   * is not there is fine. Throws a Fault `conflict` where it is not ours.
   */
  remove(path: string, kind: OwnedKind): Promise<void>;
}

export function createOwnedFolders(layout: Layout, targetId: string): OwnedFolders {
  const mark = async (path: string, kind: OwnedKind, id: string) => {
    const marker = { owner: 'pilotfish-process-target', targetId, kind, id };
    await writeDurably(join(path, ownerFileName), `${JSON.stringify(marker)}\n`);
  };
  const creating = new Map<string, Promise<void>>();
  const create = async (path: string, kind: OwnedKind) => {
    await mkdir(path, { recursive: true, mode: 0o700 });
    const marker = await readJsonFile(join(path, ownerFileName), OwnerMarker);
    if (marker !== undefined) return;
    // Empty: made by us a moment ago, or before a crash. Anything else is somebody's data.
    const content = (await readdir(path)).filter((name) => !name.startsWith(ownerFileName));
    if (content.length > 0) throw notOurs(path, 'has content but no marker');
    await mark(path, kind, basename(path));
  };
  return {
    mark,
    create(path, kind) {
      // Side by side, the second would find the first one's work half done.
      const made = (creating.get(path) ?? Promise.resolve()).then(() => create(path, kind));
      const settled = made
        .catch(() => {})
        .finally(() => {
          if (creating.get(path) === settled) creating.delete(path);
        });
      creating.set(path, settled);
      return made;
    },
    async remove(path, kind) {
      const found = await lstat(path).catch(ignoreAbsent);
      if (found === undefined) return;
      const refuse = (why: string) => notOurs(path, why);
      if (!found.isDirectory()) throw refuse('is not a folder');
      const parent = await realpath(dirname(path));
      const root = await realpath(layout.dataDir);
      if (!`${parent}/`.startsWith(`${root}/`)) throw refuse('is not below the data folder');
      const marker = await readJsonFile(join(path, ownerFileName), OwnerMarker);
      if (marker === undefined) throw refuse('has no marker');
      if (marker.targetId !== targetId) throw refuse('belongs to another target');
      if (marker.kind !== kind || marker.id !== basename(path)) throw refuse('is something else');
      await mkdir(layout.trash, { recursive: true, mode: 0o700 });
      const aside = join(layout.trash, randomUUID());
      await rename(path, aside);
      await syncDirectory(dirname(path));
      await rm(aside, { recursive: true, force: true });
    },
  };
}

function notOurs(path: string, why: string): Fault {
  return new Fault('conflict', 'A folder of the deployment target is not ours.', {
    internal: `${path}: ${why}`,
  });
}

function ignoreAbsent(thrown: unknown): undefined {
  if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
  throw thrown;
}
