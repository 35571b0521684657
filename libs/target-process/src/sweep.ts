import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type ExecutionId, toFault } from '@pilotfish/kernel';
import type { BuildJournal } from './build/build-journal.ts';
import { killBuild, killTraces } from './build/kill-build.ts';
import { allCandidates, pruneReleases, removeUnused } from './steps/prune.ts';
import { servingRelease } from './steps/service-route.ts';
import type { StepDeps } from './steps/step-deps.ts';

type SweepDeps = StepDeps & { readonly journal: BuildJournal };

/**
 * Ends what a killed engine left: every journalled build, half-made folders, candidates that never
 * served and whose execution nobody will go on with (those of open executions are adopted by
 * `start`), artefacts and caches that nothing refers to.
 */
export async function sweep(
  deps: SweepDeps,
  openExecutions: ReadonlySet<ExecutionId>,
  signal: AbortSignal,
): Promise<void> {
  const builds = await deps.journal.list();
  await Promise.all(
    builds.map(async (entry) => {
      const killed = await killBuild(deps.clock, entry);
      await rm(entry.folder, { recursive: true, force: true });
      await deps.journal.remove(entry.buildId);
      const { buildId, executionId } = entry;
      deps.logger.info({ buildId, executionId, killed }, 'Ended the build of a former engine');
    }),
  );
  // Git and cp of a former engine are no part of a build's processes; they work in these folders.
  const { work, repositories, trash } = deps.layout;
  for (const folder of [work, repositories]) await killTraces(deps.clock, { folder });
  for (const folder of [work, trash]) await emptyFolder(folder);
  await cautiously(deps, signal, () => endCandidates(deps, openExecutions, signal));
  await cautiously(deps, signal, async () => removeUnused(deps, await allCandidates(deps)));
}

/** A damaged record ends the clean-up with nothing more removed, and does not keep the engine down. */
async function cautiously(
  deps: SweepDeps,
  signal: AbortSignal,
  cleanUp: () => Promise<void>,
): Promise<void> {
  try {
    await cleanUp();
  } catch (thrown) {
    signal.throwIfAborted();
    const fault = toFault(thrown);
    if (fault.retryable || fault.code !== 'internal') throw thrown;
    deps.logger.warn({ err: thrown }, 'Part of the clean-up was left out');
  }
}

async function emptyFolder(folder: string): Promise<void> {
  const names = await readdir(folder).catch((thrown: NodeJS.ErrnoException) => {
    if (thrown.code === 'ENOENT') return [];
    throw thrown;
  });
  for (const name of names) await rm(join(folder, name), { recursive: true, force: true });
}

async function endCandidates(
  deps: SweepDeps,
  openExecutions: ReadonlySet<ExecutionId>,
  signal: AbortSignal,
): Promise<void> {
  const [instances, routes] = await Promise.all([deps.supervisor.list(signal), deps.routes.read()]);
  for (const instance of instances) {
    const { instanceId, serviceId, releaseId } = instance;
    if (servingRelease(routes, serviceId) === releaseId) continue;
    const record = await deps.records.readRelease(serviceId, releaseId);
    // Without a record that says "never served", it may be what the users see: it stays.
    if (record === undefined || record.servedAt !== null) continue;
    if (openExecutions.has(record.executionId)) continue;
    deps.logger.info({ instanceId, serviceId }, 'Stopping a candidate that never served');
    await deps.supervisor.remove(instanceId, signal);
    const left = (await deps.supervisor.list(signal)).filter(
      (each) => each.serviceId === serviceId,
    );
    const running = new Set(left.map((each) => each.releaseId));
    await pruneReleases(deps, serviceId, running, deps.limits.artefactsKept);
  }
}
