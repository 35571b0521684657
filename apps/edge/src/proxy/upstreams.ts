/**
 * Connections to instances and what is open on them. Idle connections are kept per instance, so
 * that those to a stopped one go with it.
 */
import { Agent } from 'node:http';
import type { Inflight, Route, RouteTarget } from '@pilotfish/contracts';

export interface Upstreams {
  /** The target with the least open requests; those in `avoid` only where there is no other. */
  pick(route: Route, avoid: ReadonlySet<string>): RouteTarget | null;
  /** Counts something as open on an instance until the returned function is called. */
  begin(instanceId: string, kind: 'requests' | 'upgrades'): () => void;
  agent(instanceId: string): Agent;
  inflight(instanceId: string): Inflight;
  /** Everything that is open. */
  total(): { readonly requests: number; readonly upgrades: number };
  /** Drops idle connections of instances that no route leads to. */
  retain(instanceIds: ReadonlySet<string>): void;
  close(): void;
}

interface Upstream {
  readonly agent: Agent;
  requests: number;
  upgrades: number;
}

/**
 * Below the five seconds after which a Node server closes an idle connection. Closer to it, a
 * request could meet the server's goodbye on the way.
 */
const idleMsMax = 4000;

export function createUpstreams(): Upstreams {
  const upstreams = new Map<string, Upstream>();
  let retained: ReadonlySet<string> = new Set();
  let turn = 0;
  const of = (instanceId: string) => {
    const known = upstreams.get(instanceId);
    if (known !== undefined) return known;
    const made = { agent: createAgent(), requests: 0, upgrades: 0 };
    upstreams.set(instanceId, made);
    return made;
  };
  const dropIfUnused = (instanceId: string) => {
    const upstream = upstreams.get(instanceId);
    if (upstream === undefined || retained.has(instanceId) || open(upstream) > 0) return;
    upstream.agent.destroy();
    upstreams.delete(instanceId);
  };
  return {
    pick({ targets }, avoid) {
      const fresh = targets.filter(({ instanceId }) => !avoid.has(instanceId));
      turn += 1;
      return leastLoaded(fresh.length > 0 ? fresh : targets, turn, ({ instanceId }) =>
        open(upstreams.get(instanceId)),
      );
    },
    begin(instanceId, kind) {
      const upstream = of(instanceId);
      upstream[kind] += 1;
      let counted = true;
      return () => {
        if (!counted) return;
        counted = false;
        upstream[kind] -= 1;
        dropIfUnused(instanceId);
      };
    },
    agent: (instanceId) => of(instanceId).agent,
    inflight(instanceId) {
      const { requests, upgrades } = upstreams.get(instanceId) ?? { requests: 0, upgrades: 0 };
      return { instanceId, requests, upgrades };
    },
    total() {
      const all = [...upstreams.values()];
      return {
        requests: all.reduce((sum, { requests }) => sum + requests, 0),
        upgrades: all.reduce((sum, { upgrades }) => sum + upgrades, 0),
      };
    },
    retain(instanceIds) {
      retained = instanceIds;
      for (const instanceId of [...upstreams.keys()]) dropIfUnused(instanceId);
    },
    close() {
      for (const { agent } of upstreams.values()) agent.destroy();
    },
  };
}

function createAgent(): Agent {
  return new Agent({
    keepAlive: true,
    maxFreeSockets: 128,
    // The one used last is the one least likely to be closed by the other side.
    scheduling: 'lifo',
    timeout: idleMsMax,
  });
}

function open(upstream: Upstream | undefined): number {
  return upstream === undefined ? 0 : upstream.requests + upstream.upgrades;
}

/** Begins to look at another one each turn, so that equals share the work. */
function leastLoaded(
  targets: readonly RouteTarget[],
  turn: number,
  load: (target: RouteTarget) => number,
): RouteTarget | null {
  let best: RouteTarget | null = null;
  for (let index = 0; index < targets.length; index += 1) {
    const target = targets[(turn + index) % targets.length];
    if (target !== undefined && (best === null || load(target) < load(best))) best = target;
  }
  return best;
}
