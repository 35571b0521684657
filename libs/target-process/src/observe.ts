import type { InstanceStatus } from '@pilotfish/contracts';
import type { ObservedService } from '@pilotfish/domain-deploy';
import type { EnvironmentId } from '@pilotfish/kernel';
import { servingRelease } from './steps/service-route.ts';
import type { StepDeps } from './steps/step-deps.ts';

/** What there is of an environment: records on disk, instances of the supervisor, routes. */
export async function observe(
  deps: Pick<StepDeps, 'records' | 'supervisor' | 'routes'>,
  environmentId: EnvironmentId,
  signal: AbortSignal,
): Promise<readonly ObservedService[]> {
  const [services, instances, routes] = await Promise.all([
    deps.records.listServices(),
    deps.supervisor.list(signal),
    deps.routes.read(),
  ]);
  const alive = instances.filter((each) => each.environmentId === environmentId && runs(each));
  const serviceIds = new Set([
    ...services
      .filter((each) => each.environmentId === environmentId)
      .map((each) => each.serviceId),
    ...alive.map((each) => each.serviceId),
  ]);
  return [...serviceIds].map((serviceId) => {
    const own = alive.filter((each) => each.serviceId === serviceId);
    const runningReleaseIds = [...new Set(own.map((each) => each.releaseId))];
    const routed = servingRelease(routes, serviceId);
    // A route to a release without instances serves nobody.
    const serves = routed !== null && runningReleaseIds.includes(routed);
    return { serviceId, servingReleaseId: serves ? routed : null, runningReleaseIds };
  });
}

function runs(instance: InstanceStatus): boolean {
  return instance.state !== 'exited' && instance.state !== 'stopped' && !instance.stopping;
}
