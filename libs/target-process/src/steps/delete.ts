import type { Step, StepContext, StepOutcome } from '@pilotfish/domain-deploy';
import { endInstances } from './end-instances.ts';
import { removeUnused } from './prune.ts';
import { removeRoutes } from './service-route.ts';
import type { StepDeps } from './step-deps.ts';
import { awaitEdge } from './stop.ts';

/**
 * Removes everything that was made for the service: routes, instances, logs, releases, and what
 * only its releases used. Traffic goes first. What a run cut short after the records leaves unused is
 * found by the sweep of the next start.
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
  const record = await deps.records.readService(serviceId);
  const releases = await deps.records.listReleases(serviceId);
  await deps.records.removeService(serviceId);
  const owned = record === undefined ? releases : [...releases, record];
  await removeUnused(deps, {
    artefactKeys: releases.map((release) => release.artefactKey),
    repositoryKeys: owned.map((each) => each.repositoryKey),
    organizationIds: [context.organizationId],
  });
  context.report({ step: 'DELETE', severity: 'INFO', text: 'Removed, with all its files' });
  return { ok: true };
}
