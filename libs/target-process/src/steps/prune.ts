/**
 * What is kept of a service's past, and what goes. Every removal reads the records afresh under the
 * lock of the artefact; any error while reading ends the removal with nothing deleted.
 */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { ReleaseRecord } from '../disk/records.ts';
import type { StepDeps } from './step-deps.ts';

type PruneDeps = Pick<StepDeps, 'records' | 'artefacts' | 'artefactLock' | 'layout' | 'folders'>;

/**
 * The releases to keep: those that run, the newest that served until as many different artefacts
 * are kept as allowed, and the newest that never served (its build may be wanted again). Pure.
 *
 * @param newestFirst all releases of one service
 */
export function releasesToKeep(
  newestFirst: readonly ReleaseRecord[],
  running: ReadonlySet<string>,
  artefactsKept: number,
): ReadonlySet<string> {
  const keep = new Set<string>();
  const artefacts = new Set<string>();
  const retain = (record: ReleaseRecord) => {
    keep.add(record.releaseId);
    artefacts.add(record.artefactKey);
  };
  for (const record of newestFirst) if (running.has(record.releaseId)) retain(record);
  for (const record of newestFirst) {
    if (record.servedAt === null) continue;
    if (artefacts.has(record.artefactKey) || artefacts.size < artefactsKept) retain(record);
  }
  const candidate = newestFirst.find((record) => record.servedAt === null);
  if (candidate !== undefined) keep.add(candidate.releaseId);
  return keep;
}

/** Drops the files of releases that do not run and the records and artefacts beyond those kept. */
export async function pruneReleases(
  deps: PruneDeps,
  serviceId: string,
  running: ReadonlySet<string>,
  artefactsKept: number,
): Promise<void> {
  const records = await deps.records.listReleases(serviceId);
  const keep = releasesToKeep(records, running, artefactsKept);
  const dropped = records.filter((record) => !keep.has(record.releaseId));
  for (const record of records) {
    if (running.has(record.releaseId)) continue;
    const app = deps.layout.releaseApp(serviceId, record.releaseId);
    await rm(app, { recursive: true, force: true });
    await rm(`${app}.new`, { recursive: true, force: true });
  }
  for (const record of dropped) await deps.records.removeRelease(serviceId, record.releaseId);
  await removeUnused(deps, dropped);
}

/** Removes the artefacts and repository caches of these releases that nothing refers to any more. */
export async function removeUnused(
  deps: PruneDeps,
  dropped: readonly Pick<ReleaseRecord, 'artefactKey' | 'repositoryKey'>[],
): Promise<void> {
  for (const key of new Set(dropped.map((record) => record.artefactKey))) {
    // Where a build works on it or waits for it, it is about to be used again.
    await deps.artefactLock.tryRun(key, async () => {
      const { artefactKeys } = await referencesOf(deps);
      if (!artefactKeys.has(key)) await deps.artefacts.remove(key);
    });
  }
  const repositories = new Set(dropped.map((record) => record.repositoryKey));
  if (repositories.size === 0) return;
  const { repositoryKeys } = await referencesOf(deps);
  for (const key of repositories) {
    if (!repositoryKeys.has(key)) {
      await deps.folders.remove(join(deps.layout.repositories, key), 'repository');
    }
  }
}

/** Everything that some release of some service refers to. */
export async function referencesOf(deps: Pick<PruneDeps, 'records'>): Promise<{
  readonly artefactKeys: ReadonlySet<string>;
  readonly repositoryKeys: ReadonlySet<string>;
}> {
  const services = await deps.records.listServices();
  const records = await Promise.all(
    services.map(({ serviceId }) => deps.records.listReleases(serviceId)),
  );
  return {
    artefactKeys: new Set(records.flat().map((record) => record.artefactKey)),
    repositoryKeys: new Set(records.flat().map((record) => record.repositoryKey)),
  };
}
