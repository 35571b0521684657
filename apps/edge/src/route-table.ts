import type { Route, RoutesFile } from '@pilotfish/contracts';

/** The routes that requests follow. Replaced as a whole, so that no request sees half a change. */
export interface RouteTable {
  /** The route of a host, `unknown_host`, or `no_routes` before the first file was read. */
  find(host: string): Route | 'unknown_host' | 'no_routes';
  replace(routes: RoutesFile): void;
  /** Instances that some route leads to. */
  instanceIds(): ReadonlySet<string>;
  size(): number;
}

export function createRouteTable(): RouteTable {
  let byHost: ReadonlyMap<string, Route> | null = null;
  let instanceIds: ReadonlySet<string> = new Set();
  return {
    find: (host) => (byHost === null ? 'no_routes' : (byHost.get(host) ?? 'unknown_host')),
    replace({ hosts }) {
      byHost = new Map(hosts.map((route) => [route.host, route]));
      instanceIds = new Set(hosts.flatMap(({ targets }) => targets.map((t) => t.instanceId)));
    },
    instanceIds: () => instanceIds,
    size: () => byHost?.size ?? 0,
  };
}

/**
 * The name in a Host header as routes have it: lower case, without port and final dot. Null for
 * what is no host name.
 */
export function normalizeHost(header: string): string | null {
  const match = /^([a-z0-9](?:[a-z0-9._-]*[a-z0-9])?)\.?(?::\d{1,5})?$/i.exec(header);
  return match?.[1]?.toLowerCase() ?? null;
}
