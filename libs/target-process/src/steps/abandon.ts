import type { Step, StepContext, StepOutcome } from '@pilotfish/domain-deploy';
import { pruneReleases } from './prune.ts';
import { markFailed, servingRelease } from './service-route.ts';
import { releaseOf, type StepDeps } from './step-deps.ts';

/** Stops what `start` started. A release that serves already is left alone. */
export async function abandon(
  deps: StepDeps,
  step: Step,
  context: StepContext,
): Promise<StepOutcome> {
  const { releaseId } = releaseOf(step);
  const { serviceId } = step.service;
  const routes = await deps.routes.read();
  if (servingRelease(routes, serviceId) === releaseId) return { ok: true };
  const instances = await deps.supervisor.list(context.signal);
  const own = instances.filter((each) => each.serviceId === serviceId);
  const candidates = own.filter((each) => each.releaseId === releaseId);
  await Promise.all(
    candidates.map(({ instanceId }) => deps.supervisor.remove(instanceId, context.signal)),
  );
  if (routes.some((each) => each.serviceId === serviceId && each.state === 'deploying')) {
    await markFailed(deps, step, 'Its first deployment did not finish.');
  }
  const running = new Set(own.map((each) => each.releaseId).filter((id) => id !== releaseId));
  await pruneReleases(deps, serviceId, running, deps.limits.artefactsKept);
  return { ok: true };
}
