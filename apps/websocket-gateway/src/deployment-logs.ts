import {
  type EnvironmentLog,
  type EventBatch,
  type ExecutionEvent,
  idSchema,
} from '@pilotfish/contracts';
import type {
  Clock,
  ClusterId,
  EnvironmentId,
  ExecutionId,
  OrganizationId,
  ProjectId,
} from '@pilotfish/kernel';
import { Fault } from '@pilotfish/kernel';
import type { ExecutionRow, Store, TenantContext } from '@pilotfish/store';
import { z } from 'zod';
import type { Client } from './client.ts';
import { type Cursor, parseCursor } from './cursor.ts';
import {
  type EnvironmentScope,
  findExecution,
  hasTerminalEvent,
  loadScope,
  nextExecution,
  presentExecution,
  readEvents,
  stageNames,
} from './event-history.ts';
import { endLine, eventLine, gapLine, type LineContext } from './event-line.ts';
import { followSequence } from './follow-sequence.ts';
import type { Live } from './live.ts';
import { type AnySocket, socket } from './sockets.ts';

const Query = z.object({
  organization: idSchema<OrganizationId>(),
  cluster: idSchema<ClusterId>().optional(),
  project: idSchema<ProjectId>(),
  environment: idSchema<EnvironmentId>(),
  /** One execution; without it the present one and all that follow. */
  version: idSchema<ExecutionId>().optional(),
  after: z.string().optional(),
});
type Query = z.infer<typeof Query>;

export interface DeploymentLogsDeps {
  readonly store: Store;
  readonly live: Live;
  readonly clock: Clock;
}

const frameLines = 100;
/** Of at most 16 KiB each, for every client that is slower than its lines come. */
const pendingMax = 500;
const queuedPollMs = 1000;

/** `/deployment/logs`: the lines of one execution, or of all executions of an environment. */
export function deploymentLogs(deps: DeploymentLogsDeps): AnySocket {
  return socket({
    path: '/deployment/logs',
    permission: 'log:read',
    query: Query,
    serve: (client, query, tenant) => serve(deps, client, query, tenant),
  });
}

async function serve(
  deps: DeploymentLogsDeps,
  client: Client,
  query: Query,
  tenant: TenantContext,
): Promise<void> {
  const { store } = deps;
  const cursor = parseCursor(query.after);
  const scope = await store.tenant(tenant, (tx) => loadScope(tx, query));
  const viewer: Viewer = { ...deps, client, tenant, scope };
  const { environmentId } = scope;
  if (query.version !== undefined) {
    const { version } = query;
    if (cursor !== null && cursor.series !== version) {
      throw new Fault('invalid_input', 'Parameter after: the cursor is of another deployment');
    }
    const found = await store.tenant(tenant, (tx) => findExecution(tx, environmentId, version));
    if (found === null) throw new Fault('not_found', 'There is no such deployment');
    await followExecution(viewer, found, cursor?.sequence ?? 0);
    await gone(client.signal);
    return;
  }
  let execution = await beginning(viewer, cursor);
  let from = cursor !== null && execution?.id === cursor.series ? cursor.sequence : 0;
  let generation = 0;
  while (true) {
    if (execution !== null) {
      await followExecution(viewer, execution, from);
      ({ generation } = execution);
    }
    from = 0;
    execution = await waitForNext(viewer, generation);
  }
}

interface Viewer extends DeploymentLogsDeps {
  readonly client: Client;
  readonly tenant: TenantContext;
  readonly scope: EnvironmentScope;
}

async function beginning(viewer: Viewer, cursor: Cursor | null): Promise<ExecutionRow | null> {
  const { store, tenant, scope, clock, client } = viewer;
  const { environmentId } = scope;
  return store.tenant(tenant, async (tx) => {
    if (cursor === null) return presentExecution(tx, environmentId);
    const known = await findExecution(tx, environmentId, cursor.series);
    if (known !== null) return known;
    // Its memory is gone (deleted, or restored from an older backup): said, and begun anew.
    const present = await presentExecution(tx, environmentId);
    const context = lineContext(viewer, (present?.id ?? cursor.series) as ExecutionId, new Map());
    await client.send(JSON.stringify([gapLine(null, 0, clock.now(), context)]));
    return present;
  });
}

function lineContext(
  { scope, tenant }: Viewer,
  executionId: ExecutionId,
  stages: ReadonlyMap<string, string>,
): LineContext {
  const { organizationId } = tenant;
  return { ...scope, organizationId, executionId, stageNames: stages };
}

/** Resolves when the client has the last line of the execution. */
async function followExecution(
  viewer: Viewer,
  execution: ExecutionRow,
  from: Cursor['sequence'],
): Promise<void> {
  if (from === 'end') return;
  const { store, tenant, live, clock, client, scope } = viewer;
  const { id } = execution;
  const stages = await store.tenant(tenant, (tx) => stageNames(tx, id));
  const context = lineContext(viewer, id, stages);
  const send = (lines: readonly EnvironmentLog[]) => client.send(JSON.stringify(lines));
  let known = execution;
  let at = from;

  const outcome = await followSequence<ExecutionEvent>({
    after: from,
    async read(after) {
      const page = await store.tenant(tenant, (tx) => readEvents(tx, id, after ?? 0));
      known = page.execution;
      return page;
    },
    subscribe: (onItems, onMissed) =>
      live.events(
        { clusterId: scope.clusterId, environmentId: scope.environmentId },
        (batch) => {
          if (isCurrent(batch, known)) onItems(batch.events);
        },
        onMissed,
      ),
    async deliver(events) {
      for (let start = 0; start < events.length; start += frameLines) {
        const part = events.slice(start, start + frameLines);
        await send(part.map((event) => eventLine(event, context)));
        at = part.at(-1)?.sequence ?? at;
      }
      return events.at(-1)?.kind === 'execution_ended';
    },
    async onGap(missing) {
      at = missing === null ? 0 : at + missing;
      await send([gapLine(missing, at, clock.now(), context)]);
    },
    clock,
    signal: client.signal,
    // Nobody tells over NATS when a queued execution is superseded.
    pollMs: () => Math.min(live.pollMs(), known.status === 'QUEUED' ? queuedPollMs : Infinity),
    pendingMax,
  });
  if (outcome === 'stopped') return;
  // Over, but not by an engine's word: canceled or superseded before it began.
  if (await store.tenant(tenant, (tx) => hasTerminalEvent(tx, known))) return;
  await send([endLine(known, context)]);
}

/** What an engine says under an older attempt or lease is refused by the ingester, and here. */
function isCurrent(batch: EventBatch, execution: ExecutionRow): boolean {
  return (
    batch.executionId === execution.id &&
    batch.attempt >= execution.attempt &&
    batch.lease >= execution.lease
  );
}

async function waitForNext(viewer: Viewer, generation: number): Promise<ExecutionRow> {
  const { store, tenant, live, clock, client, scope } = viewer;
  const { environmentId, clusterId } = scope;
  let news = Promise.withResolvers<void>();
  const wake = () => news.resolve();
  const unsubscribe = live.events({ clusterId, environmentId }, wake, wake);
  try {
    for (;;) {
      client.signal.throwIfAborted();
      news = Promise.withResolvers();
      const next = await store
        .tenant(tenant, (tx) => nextExecution(tx, environmentId, generation))
        .catch((error: unknown) => {
          if (error instanceof Fault && error.retryable) return null;
          throw error;
        });
      if (next !== null) return next;
      const stop = new AbortController();
      const signal = AbortSignal.any([client.signal, stop.signal]);
      await Promise.race([news.promise, clock.sleep(live.pollMs(), signal).catch(() => {})]);
      stop.abort();
    }
  } finally {
    unsubscribe();
  }
}

/** Rejects as soon as the client has gone. */
function gone(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const leave = () => reject(signal.reason as Error);
    if (signal.aborted) leave();
    else signal.addEventListener('abort', leave, { once: true });
  });
}
