import type { Step, StepContext, StepOutcome } from '@pilotfish/domain-deploy';
import { Fault } from '@pilotfish/kernel';
import { endInstances } from './end-instances.ts';
import { pruneReleases } from './prune.ts';
import { servingRelease } from './service-route.ts';
import { releaseOf, type StepDeps } from './step-deps.ts';

/** Drains and stops every other release of the service; keeps the newest artefacts. */
export async function retire(
  deps: StepDeps,
  step: Step,
  context: StepContext,
): Promise<StepOutcome> {
  const { releaseId } = releaseOf(step);
  const { serviceId } = step.service;
  if (servingRelease(await deps.routes.read(), serviceId) !== releaseId) {
    throw new Fault('conflict', 'The release does not serve: what serves now stays.', {
      internal: `retire for ${releaseId} of ${serviceId}`,
    });
  }
  const instances = await deps.supervisor.list(context.signal);
  const old = instances.filter(
    (each) => each.serviceId === serviceId && each.releaseId !== releaseId,
  );
  if (old.length > 0) {
    await endInstances(deps, old, context.signal);
    const text = 'The former version has answered its last requests and is stopped';
    context.report({ step: 'STOP', severity: 'INFO', text });
  }
  await pruneReleases(deps, serviceId, new Set([releaseId]), deps.limits.artefactsKept);
  return { ok: true };
}
