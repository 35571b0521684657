/**
 * Installed dependencies of a repository, kept by what they were made from. A copy goes in right
 * after the installation, before the build step can change it, and copies come out: hard links
 * would be quicker, but a build that rewrites a file in place (as `prisma generate` does) would
 * then change what other releases run.
 */

import { randomUUID } from 'node:crypto';
import { mkdir, readdir, rename, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '@pilotfish/kernel';
import { cloneTree } from '../disk/clone-tree.ts';
import { contentKey, type Layout } from '../disk/layout.ts';
import type { OwnedFolders } from '../disk/owned-folder.ts';
import type { BuildPlan, SourceListing } from '../plan/build-plan.ts';
import { parsePackageJson } from '../plan/package-json.ts';

export interface Dependencies {
  /** Puts kept dependencies into the folder; false where there are none. */
  restore(where: DependencyPlace, signal: AbortSignal): Promise<boolean>;
  /** Keeps the dependencies that were just installed. */
  keep(where: DependencyPlace, signal: AbortSignal): Promise<void>;
}

export interface DependencyPlace {
  readonly repositoryKey: string;
  readonly dependencyKey: string;
  /** The service's folder in the build. */
  readonly folder: string;
}

interface DependenciesDeps {
  readonly layout: Layout;
  readonly folders: OwnedFolders;
  readonly clock: Clock;
  readonly keptMax: number;
}

/** Undefined where the installation depends on more than what a key can hold. */
export function dependencyKey(
  plan: BuildPlan,
  source: SourceListing,
  context: { readonly rootPath: string; readonly variables: Readonly<Record<string, string>> },
): string | undefined {
  if (!plan.dependenciesReusable) return undefined;
  const parsed = parsePackageJson(source.manifests['package.json'] ?? '');
  if (!parsed.ok) return undefined;
  // Version, scripts and description change often and have no say in what is installed.
  const {
    name: _name,
    version: _version,
    description: _description,
    scripts: _scripts,
    ...shape
  } = parsed.content as Record<string, unknown>;
  const { 'package.json': _own, Procfile: _procfile, ...manifests } = source.manifests;
  const { node, install, environment } = plan;
  return contentKey({ format: 1, shape, manifests, node, install, environment, ...context });
}

export function createDependencies(deps: DependenciesDeps): Dependencies {
  const { layout, folders } = deps;
  const kept = (where: DependencyPlace) =>
    join(layout.repository(where.repositoryKey), 'dependencies', where.dependencyKey);
  // Being copied at this moment: not to be pruned.
  const inUse = new Map<string, number>();
  const use = async <T>(path: string, work: () => Promise<T>): Promise<T> => {
    inUse.set(path, (inUse.get(path) ?? 0) + 1);
    try {
      return await work();
    } finally {
      const left = (inUse.get(path) ?? 1) - 1;
      if (left === 0) inUse.delete(path);
      else inUse.set(path, left);
    }
  };
  return {
    restore(where, signal) {
      const path = kept(where);
      return use(path, async () => {
        if (!(await exists(join(path, 'node_modules')))) return false;
        await cloneTree(join(path, 'node_modules'), join(where.folder, 'node_modules'), signal);
        const now = new Date(deps.clock.now().epochMilliseconds);
        await utimes(path, now, now);
        return true;
      });
    },
    async keep(where, signal) {
      const path = kept(where);
      const installed = join(where.folder, 'node_modules');
      if (!(await exists(installed)) || (await exists(path))) return;
      const repository = layout.repository(where.repositoryKey);
      await folders.create(repository, 'repository');
      await mkdir(join(repository, 'dependencies'), { recursive: true, mode: 0o700 });
      const fresh = join(layout.work, `dependencies-${randomUUID()}`);
      await mkdir(fresh, { recursive: true, mode: 0o700 });
      try {
        await cloneTree(installed, join(fresh, 'node_modules'), signal);
        await folders.mark(fresh, 'dependencies', where.dependencyKey);
        await rename(fresh, path).catch(ignoreTaken);
      } finally {
        await rm(fresh, { recursive: true, force: true });
      }
      await prune(join(repository, 'dependencies'), path);
    },
  };

  async function prune(folder: string, newest: string): Promise<void> {
    const paths = (await readdir(folder)).map((name) => join(folder, name));
    const aged = await Promise.all(
      paths.map(async (path) => ({ path, usedAtMs: (await stat(path)).mtimeMs })),
    );
    const oldFirst = aged.sort((a, b) => a.usedAtMs - b.usedAtMs);
    const surplus = oldFirst.slice(0, Math.max(0, oldFirst.length - deps.keptMax));
    for (const { path } of surplus) {
      if (path !== newest && !inUse.has(path)) await folders.remove(path, 'dependencies');
    }
  }
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

/** Two builds with the same dependencies keep them at the same moment: either copy is good. */
function ignoreTaken(thrown: NodeJS.ErrnoException): void {
  if (thrown.code !== 'ENOTEMPTY' && thrown.code !== 'EEXIST') throw thrown;
}
