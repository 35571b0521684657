import type { Step, StepContext, StepOutcome } from '@pilotfish/domain-deploy';
import { Fault } from '@pilotfish/kernel';
import { routeTo } from './service-route.ts';
import { instanceIds, releaseOf, type StepDeps } from './step-deps.ts';

/** Sends traffic to the release; done only when the edge follows. */
export async function switchTraffic(
  deps: StepDeps,
  step: Step,
  context: StepContext,
): Promise<StepOutcome> {
  const release = releaseOf(step);
  const { serviceId, host } = step.service;
  const ids = new Set(instanceIds(release, deps.limits.instancesMax));
  const instances = await deps.supervisor.list(context.signal);
  const targets = instances
    .filter((each) => ids.has(each.instanceId) && each.state === 'running' && !each.stopping)
    .map(({ instanceId, port }) => ({ instanceId, port }));
  if (targets.length === 0) {
    // Healthy a moment ago: it ended between the probe and now. The next try looks again.
    throw new Fault('unavailable', 'The new version stopped before traffic could go to it.');
  }
  const record = await deps.records.readRelease(serviceId, release.releaseId);
  // On record before it happens: what may have served is never taken for a left-over candidate.
  if (record !== undefined && record.servedAt === null) {
    await deps.records.writeRelease({ ...record, servedAt: deps.clock.now().toString() });
  }
  const version = await routeTo(deps, step, release.releaseId, targets);
  const { edgeAppliedMsMax } = deps.limits;
  if (!(await deps.routes.awaitApplied(version, edgeAppliedMsMax, context.signal))) {
    throw new Fault('unavailable', 'The edge did not take up the new route in time.', {
      internal: `routes version ${version}`,
    });
  }
  const text = `Traffic of ${host} goes to commit ${release.source.commitSha.slice(0, 8)}`;
  context.report({ step: 'SWITCH', severity: 'INFO', text });
  return { ok: true };
}
