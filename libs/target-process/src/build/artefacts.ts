/**
 * Finished builds, kept under a key made of everything that they were made from. One that is there
 * is complete: it is put together elsewhere and gets its name by a rename. After a power failure its
 * files may be empty all the same, so it counts in another boot only where the disk had taken it.
 */
import { mkdir, rename, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ServiceRelease } from '@pilotfish/contracts';
import type { OrganizationId } from '@pilotfish/kernel';
import { z } from 'zod';
import { readJsonFile, syncDirectory, writeDurably } from '../disk/durable-file.ts';
import { contentKey, type Layout } from '../disk/layout.ts';
import type { OwnedFolders } from '../disk/owned-folder.ts';
import type { SettleDisk } from '../disk/settled.ts';
import { BuildPlan } from '../plan/build-plan.ts';
import { buildVariables } from './build-environment.ts';

export const Artefact = z.looseObject({
  key: z.string(),
  commitSha: z.string(),
  /** The service's folder below `tree`, empty for all of it. */
  folder: z.string(),
  plan: BuildPlan,
  /** Relative to `folder`; present where the static server serves it. */
  staticFolder: z.string().nullable(),
  builtAt: z.string(),
  bootId: z.string(),
});
export type Artefact = z.infer<typeof Artefact>;

/** Names the build of a release: equal keys, equal artefacts. */
export function artefactKey(
  organizationId: OrganizationId,
  release: ServiceRelease,
  nodeVersions: readonly string[],
): string {
  const { repositoryUrl, commitSha, rootPath } = release.source;
  return contentKey({
    format: 1,
    // Tenants never share a build, so that nothing can be learned or planted across them.
    organizationId,
    repositoryUrl,
    commitSha,
    rootPath,
    variables: buildVariables(release.variables),
    hasCommand: release.command.length > 0,
    nodeVersions: [...nodeVersions].sort(),
  });
}

/** Names what one organization keeps of one repository. */
export function repositoryKey(organizationId: OrganizationId, repositoryUrl: string): string {
  return contentKey({ organizationId, repositoryUrl });
}

export interface Artefacts {
  /** Undefined where there is none, or none that can be relied on. */
  read(key: string): Promise<Artefact | undefined>;
  tree(key: string): string;
  /** Takes over a folder that holds the finished `tree`; an equal artefact may be there already. */
  adopt(folder: string, artefact: Artefact): Promise<void>;
  remove(key: string): Promise<void>;
}

interface ArtefactsDeps {
  readonly layout: Layout;
  readonly folders: OwnedFolders;
  readonly settleDisk: SettleDisk;
  readonly bootId: string;
}

export function createArtefacts(deps: ArtefactsDeps): Artefacts {
  const { layout, folders, bootId } = deps;
  const file = (folder: string) => join(folder, 'artefact.json');
  const settledFile = (key: string) => join(layout.artefact(key), 'settled');
  const remove = (key: string) => folders.remove(layout.artefact(key), 'artefact');
  const read = async (key: string) => {
    const artefact = await readJsonFile(file(layout.artefact(key)), Artefact);
    const reliable = artefact?.bootId === bootId || (await exists(settledFile(key)));
    return reliable ? artefact : undefined;
  };
  const settle = async (key: string) => {
    await deps.settleDisk();
    await writeFile(settledFile(key), '');
  };
  return {
    read,
    remove,
    tree: (key) => join(layout.artefact(key), 'tree'),
    async adopt(folder, artefact) {
      const { key } = artefact;
      await writeDurably(file(folder), `${JSON.stringify(artefact)}\n`);
      await folders.mark(folder, 'artefact', key);
      await mkdir(layout.artefacts, { recursive: true, mode: 0o700 });
      if ((await read(key)) !== undefined) return;
      await remove(key);
      await rename(folder, layout.artefact(key));
      await syncDirectory(layout.artefacts);
      // Without the mark it is built once more after the next boot; nothing else depends on it.
      settle(key).catch(() => {});
    },
  };
}

function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
