import type { Route, RouteTarget } from '@pilotfish/contracts';
import type { Step } from '@pilotfish/domain-deploy';
import type { ReleaseId, ServiceId } from '@pilotfish/kernel';
import type { StepDeps } from './step-deps.ts';

type RouteDeps = Pick<StepDeps, 'routes'>;

/** The release that traffic of a service goes to, as the routes say. */
export function servingRelease(routes: readonly Route[], serviceId: ServiceId): ReleaseId | null {
  const serving = routes.find((each) => each.serviceId === serviceId && each.state === 'serving');
  return serving?.releaseId ?? null;
}

/** Says on the page of a service that has nothing to show that it is being deployed. */
export async function markDeploying(deps: RouteDeps, step: Step): Promise<void> {
  await setIdleState(deps, step, 'deploying', 'Its first version is being deployed.');
}

/** Says why a service has nothing to show; one that serves goes on unchanged. */
export async function markFailed(deps: RouteDeps, step: Step, message: string): Promise<void> {
  await setIdleState(deps, step, 'failed', message.slice(0, 500));
}

async function setIdleState(
  deps: RouteDeps,
  step: Step,
  state: 'deploying' | 'failed',
  message: string,
): Promise<void> {
  const { serviceId, host } = step.service;
  await deps.routes.change((routes) => {
    if (servingRelease(routes, serviceId) !== null) return routes;
    return replaceRoute(routes, { host, state, serviceId, releaseId: null, targets: [], message });
  });
}

/** Sends the traffic of a service to these targets. Returns the version to wait for. */
export function routeTo(
  deps: RouteDeps,
  step: Step,
  releaseId: ReleaseId,
  targets: readonly RouteTarget[],
): Promise<number> {
  const { serviceId, host } = step.service;
  const route: Route = {
    ...{ host, serviceId, releaseId, targets: [...targets] },
    state: 'serving',
    message: '',
  };
  return deps.routes.change((routes) => replaceRoute(routes, route));
}

/** Takes the traffic away and says so on the page. */
export function routeStopped(deps: RouteDeps, step: Step): Promise<number> {
  const { serviceId, host } = step.service;
  const route: Route = {
    ...{ host, serviceId, releaseId: null, targets: [] },
    state: 'stopped',
    message: 'It was stopped. Its configuration is kept; a deployment starts it again.',
  };
  return deps.routes.change((routes) => replaceRoute(routes, route));
}

export function removeRoutes(deps: RouteDeps, serviceId: ServiceId): Promise<number> {
  return deps.routes.change((routes) => routes.filter((each) => each.serviceId !== serviceId));
}

/** A service has one route: a renamed one gives up its former host. */
function replaceRoute(routes: readonly Route[], route: Route): readonly Route[] {
  const others = routes.filter(
    (each) => each.serviceId !== route.serviceId && each.host !== route.host,
  );
  return [...others, route];
}
