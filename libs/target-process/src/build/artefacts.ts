/**
 * Finished builds, kept under a key made of everything that they were made from. One that is there
 * is complete: it is put together elsewhere and gets its name by a rename.
 */
import { mkdir, rename, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { ServiceRelease } from '@pilotfish/contracts';
import type { OrganizationId } from '@pilotfish/kernel';
import { z } from 'zod';
import { readJsonFile, syncDirectory, writeDurably } from '../disk/durable-file.ts';
import { contentKey, type Layout } from '../disk/layout.ts';
import type { OwnedFolders } from '../disk/owned-folder.ts';
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
  read(key: string): Promise<Artefact | undefined>;
  tree(key: string): string;
  /** Takes over a folder that holds the finished `tree`; an equal artefact may be there already. */
  adopt(folder: string, artefact: Artefact): Promise<void>;
  remove(key: string): Promise<void>;
}

export function createArtefacts(layout: Layout, folders: OwnedFolders): Artefacts {
  const file = (folder: string) => join(folder, 'artefact.json');
  return {
    read: (key) => readJsonFile(file(layout.artefact(key)), Artefact),
    tree: (key) => join(layout.artefact(key), 'tree'),
    async adopt(folder, artefact) {
      await writeDurably(file(folder), `${JSON.stringify(artefact)}\n`);
      await folders.mark(folder, 'artefact', artefact.key);
      await mkdir(layout.artefacts, { recursive: true, mode: 0o700 });
      const path = layout.artefact(artefact.key);
      if ((await stat(path).catch(() => undefined)) !== undefined) return;
      await rename(folder, path);
      await syncDirectory(layout.artefacts);
    },
    remove: (key) => folders.remove(layout.artefact(key), 'artefact'),
  };
}
