import type { Step, StepContext, StepOutcome } from '@pilotfish/domain-deploy';
import { endInstances } from './end-instances.ts';
import { pruneReleases } from './prune.ts';
import { routeStopped } from './service-route.ts';
import type { StepDeps } from './step-deps.ts';

/** Takes traffic away and stops all instances; records and artefacts stay. */
export async function stop(deps: StepDeps, step: Step, context: StepContext): Promise<StepOutcome> {
  const { serviceId } = step.service;
  const version = await routeStopped(deps, step);
  await awaitEdge(deps, context, version);
  const instances = await deps.supervisor.list(context.signal);
  const own = instances.filter((each) => each.serviceId === serviceId);
  await endInstances(deps, own, context.signal);
  await pruneReleases(deps, serviceId, new Set(), deps.limits.artefactsKept);
  context.report({ step: 'STOP', severity: 'INFO', text: 'Stopped' });
  return { ok: true };
}

/**
 * Waits for the edge to take traffic away, but not for ever: an edge that is down sends none, and
 * reads the new routes when it is back.
 */
export async function awaitEdge(
  deps: Pick<StepDeps, 'routes' | 'limits'>,
  context: StepContext,
  version: number,
): Promise<void> {
  if (await deps.routes.awaitApplied(version, deps.limits.edgeAppliedMsMax, context.signal)) return;
  const text = 'The edge does not answer; it will follow when it is back.';
  context.report({ step: 'STOP', severity: 'WARNING', text });
}
