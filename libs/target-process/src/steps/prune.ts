/**
 * What is kept of a service's past, and what goes. Every removal reads the records afresh under the
 * lock of what it removes; any error while reading ends the removal with nothing deleted.
 */
import { readdir, rm } from 'node:fs/promises';
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
  await removeUnused(deps, {
    artefactKeys: dropped.map((record) => record.artefactKey),
    repositoryKeys: dropped.map((record) => record.repositoryKey),
    organizationIds: [],
  });
}

/** What somebody has let go of, and perhaps nobody uses any more. */
export interface Candidates {
  readonly artefactKeys: readonly string[];
  readonly repositoryKeys: readonly string[];
  readonly organizationIds: readonly string[];
}

/** Removes of these what no release of any service refers to. */
export async function removeUnused(deps: PruneDeps, candidates: Candidates): Promise<void> {
  for (const key of new Set(candidates.artefactKeys)) {
    // Where a build works on it or waits for it, it is about to be used again.
    await deps.artefactLock.tryRun(key, async () => {
      const { artefactKeys } = await referencesOf(deps);
      if (!artefactKeys.has(key)) await deps.artefacts.remove(key);
    });
  }
  if (candidates.repositoryKeys.length + candidates.organizationIds.length === 0) return;
  // Builds put their service on record before they fetch, so these are in use from the start.
  const used = await referencesOf(deps);
  for (const key of new Set(candidates.repositoryKeys)) {
    if (used.repositoryKeys.has(key)) continue;
    await deps.folders.remove(deps.layout.repository(key), 'repository');
  }
  for (const id of new Set(candidates.organizationIds)) {
    if (used.organizationIds.has(id)) continue;
    await deps.folders.remove(join(deps.layout.caches, id), 'caches');
  }
}

/** Everything on disk that could be unused: what a killed engine may have left is among it. */
export async function allCandidates(deps: Pick<PruneDeps, 'layout'>): Promise<Candidates> {
  const { artefacts, repositories, caches } = deps.layout;
  const [artefactKeys, repositoryKeys, organizationIds] = await Promise.all(
    [artefacts, repositories, caches].map(namesIn),
  );
  return {
    artefactKeys: artefactKeys ?? [],
    repositoryKeys: repositoryKeys ?? [],
    organizationIds: organizationIds ?? [],
  };
}

async function namesIn(folder: string): Promise<string[]> {
  return readdir(folder).catch((thrown: NodeJS.ErrnoException) => {
    if (thrown.code === 'ENOENT') return [];
    throw thrown;
  });
}

async function referencesOf(deps: Pick<PruneDeps, 'records'>): Promise<{
  readonly artefactKeys: ReadonlySet<string>;
  readonly repositoryKeys: ReadonlySet<string>;
  readonly organizationIds: ReadonlySet<string>;
}> {
  const services = await deps.records.listServices();
  const listed = await Promise.all(
    services.map(({ serviceId }) => deps.records.listReleases(serviceId)),
  );
  const releases = listed.flat();
  return {
    artefactKeys: new Set(releases.map((record) => record.artefactKey)),
    repositoryKeys: new Set([...releases, ...services].map((record) => record.repositoryKey)),
    organizationIds: new Set(services.map((record) => record.organizationId)),
  };
}
