import { idSchema } from '@pilotfish/contracts';
import {
  type Clock,
  type ClusterId,
  type EnvironmentId,
  type ExecutionId,
  Fault,
  type OrganizationId,
  type ProjectId,
} from '@pilotfish/kernel';
import type { Store, TenantContext, TenantTransaction } from '@pilotfish/store';
import { z } from 'zod';
import type { Client } from './client.ts';
import { loadScope } from './event-history.ts';
import type { Live } from './live.ts';
import { type ProjectFrame, readProjectStatuses } from './project-statuses.ts';
import { type AnySocket, socket } from './sockets.ts';
import { readExecutionStatus, readStatus, type StatusFrame } from './status-frame.ts';

const Query = z.object({
  organization: idSchema<OrganizationId>(),
  cluster: idSchema<ClusterId>().optional(),
  project: idSchema<ProjectId>(),
  /** One environment with its services; without it all environments of the project. */
  environment: idSchema<EnvironmentId>().optional(),
  /** The statuses of one execution instead of the environment's present ones. */
  version: idSchema<ExecutionId>().optional(),
});
type Query = z.infer<typeof Query>;

export interface DeploymentStatusDeps {
  readonly store: Store;
  readonly live: Live;
  readonly clock: Clock;
}

/** The ingester commits a little after NATS tells; a look in between would see nothing new. */
const settleMs = 150;
const movingPollMs = 1000;

/**
 * `/deployment/status`: the statuses at once, and again whenever they differ. Level-triggered: a
 * message of NATS only says when to look, and without NATS it looks every second.
 */
export function deploymentStatus(deps: DeploymentStatusDeps): AnySocket {
  return socket({
    path: '/deployment/status',
    permission: 'environment:read',
    query: Query,
    serve: (client, query, tenant) => serve(deps, client, query, tenant),
  });
}

async function serve(
  deps: DeploymentStatusDeps,
  client: Client,
  query: Query,
  tenant: TenantContext,
): Promise<void> {
  const { store, live, clock } = deps;
  const look = await viewOf(store, query, tenant);
  let news = Promise.withResolvers<void>();
  const listeners = createListeners(live, () => news.resolve());
  let sent = '';
  try {
    for (;;) {
      client.signal.throwIfAborted();
      news = Promise.withResolvers();
      const snapshot = await store.tenant(tenant, look).catch((error: unknown) => {
        if (error instanceof Fault && error.retryable) return null;
        throw error;
      });
      const text = snapshot === null ? sent : JSON.stringify(snapshot.frame);
      if (text !== sent) await client.send(text);
      sent = text;
      // What happened between the look and the listening is seen by the next look.
      if (snapshot !== null && listeners.listenTo(snapshot.places)) continue;
      const stop = new AbortController();
      const signal = AbortSignal.any([client.signal, stop.signal]);
      const pollMs = snapshot?.moving === false ? live.pollMs() : movingPollMs;
      const woken = news.promise.then(() => clock.sleep(settleMs, signal));
      await Promise.race([woken, clock.sleep(pollMs, signal)]).catch(() => {});
      stop.abort();
      woken.catch(() => {});
    }
  } finally {
    listeners.close();
  }
}

interface View {
  readonly frame: StatusFrame | ProjectFrame;
  readonly moving: boolean;
  readonly places: readonly Place[];
}

interface Place {
  readonly clusterId: ClusterId;
  readonly environmentId: EnvironmentId;
}

/** How to look at what the client asked for. */
async function viewOf(
  store: Store,
  query: Query,
  tenant: TenantContext,
): Promise<(tx: TenantTransaction) => Promise<View>> {
  const { project, cluster, environment, version } = query;
  if (environment === undefined) {
    if (version === undefined) return (tx) => readProjectStatuses(tx, project, cluster);
    throw new Fault('invalid_input', 'Parameter version: needs the environment whose it is');
  }
  const scope = await store.tenant(tenant, (tx) =>
    loadScope(tx, { project, cluster, environment }),
  );
  return async (tx) => ({
    ...(version === undefined
      ? await readStatus(tx, environment)
      : await readExecutionStatus(tx, environment, version)),
    places: [scope],
  });
}

function createListeners(live: Live, wake: () => void) {
  const open = new Map<EnvironmentId, () => void>();
  return {
    /** Listens to these places and no others; true where one of them is new. */
    listenTo(places: readonly Place[]): boolean {
      const added = places.filter(({ environmentId }) => !open.has(environmentId));
      for (const { clusterId, environmentId } of added) {
        open.set(environmentId, live.events({ clusterId, environmentId }, wake, wake));
      }
      const wanted = new Set(places.map(({ environmentId }) => environmentId));
      for (const [environmentId, unsubscribe] of open) {
        if (wanted.has(environmentId)) continue;
        unsubscribe();
        open.delete(environmentId);
      }
      return added.length > 0;
    },
    close() {
      for (const unsubscribe of open.values()) unsubscribe();
    },
  };
}
