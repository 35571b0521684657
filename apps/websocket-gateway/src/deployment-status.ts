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
import type { Store, TenantContext } from '@pilotfish/store';
import { z } from 'zod';
import type { Client } from './client.ts';
import { loadScope } from './event-history.ts';
import type { Live } from './live.ts';
import { type AnySocket, socket } from './sockets.ts';
import { readExecutionStatus, readStatus } from './status-frame.ts';

const Query = z.object({
  organization: idSchema<OrganizationId>(),
  cluster: idSchema<ClusterId>().optional(),
  project: idSchema<ProjectId>(),
  environment: idSchema<EnvironmentId>(),
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
  const { version } = query;
  const scope = await store.tenant(tenant, (tx) => loadScope(tx, query));
  const { environmentId, clusterId } = scope;
  let news = Promise.withResolvers<void>();
  const wake = () => news.resolve();
  const unsubscribe = live.events({ clusterId, environmentId }, wake, wake);
  let sent = '';
  try {
    for (;;) {
      client.signal.throwIfAborted();
      news = Promise.withResolvers();
      const snapshot = await store
        .tenant(tenant, (tx) =>
          version === undefined
            ? readStatus(tx, environmentId)
            : readExecutionStatus(tx, environmentId, version),
        )
        .catch((error: unknown) => {
          if (error instanceof Fault && error.retryable) return null;
          throw error;
        });
      const text = snapshot === null ? sent : JSON.stringify(snapshot.frame);
      if (text !== sent) await client.send(text);
      sent = text;
      const stop = new AbortController();
      const signal = AbortSignal.any([client.signal, stop.signal]);
      const pollMs = snapshot?.moving === false ? live.pollMs() : movingPollMs;
      const woken = news.promise.then(() => clock.sleep(settleMs, signal));
      await Promise.race([woken, clock.sleep(pollMs, signal)]).catch(() => {});
      stop.abort();
      woken.catch(() => {});
    }
  } finally {
    unsubscribe();
  }
}
