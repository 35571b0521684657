import type { Step, StepContext, StepOutcome } from '@pilotfish/domain-deploy';
import { endInstances } from './end-instances.ts';
import { removeUnused } from './prune.ts';
import { removeRoutes } from './service-route.ts';
import type { StepDeps } from './step-deps.ts';
import { awaitEdge } from './stop.ts';

/**
 * Removes everything that was made for the service: routes, instances, logs, releases, and what
 * only its releases used. Traffic goes first and the record last, so that a run cut short at any
 * point is completed by the next.
 */
export async function deleteService(
  deps: StepDeps,
  step: Step,
  context: StepContext,
): Promise<StepOutcome> {
  const { serviceId } = step.service;
  const version = await removeRoutes(deps, serviceId);
  await awaitEdge(deps, context, version);
  const instances = await deps.supervisor.list(context.signal);
  const own = instances.filter((each) => each.serviceId === serviceId);
  await endInstances(deps, own, context.signal);
  await deps.supervisor.removeLogs(serviceId, context.signal);
  const releases = await deps.records.listReleases(serviceId);
  for (const { releaseId } of releases) await deps.records.removeRelease(serviceId, releaseId);
  await removeUnused(deps, releases);
  await deps.records.removeService(serviceId);
  context.report({ step: 'DELETE', severity: 'INFO', text: 'Removed, with all its files' });
  return { ok: true };
}
