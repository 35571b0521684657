import type { Bus } from '@pilotfish/bus';
import {
  type ControlReply,
  idSchema,
  type LogLine,
  messages,
  type ServiceLog,
} from '@pilotfish/contracts';
import {
  type Clock,
  type ClusterId,
  type EnvironmentId,
  type ExecutionId,
  Fault,
  type OrganizationId,
  type ProjectId,
  type ServiceId,
} from '@pilotfish/kernel';
import {
  getService,
  listExecutionServices,
  type Store,
  type TenantContext,
  type TenantTransaction,
} from '@pilotfish/store';
import { z } from 'zod';
import type { Client } from './client.ts';
import { formatCursor, parseCursor } from './cursor.ts';
import { findExecution, loadScope } from './event-history.ts';
import { followSequence, type Page } from './follow-sequence.ts';
import { type LineWishes, lineFilter } from './line-filter.ts';
import type { Live } from './live.ts';
import { type AnySocket, socket } from './sockets.ts';

const Query = z.object({
  organization: idSchema<OrganizationId>(),
  cluster: idSchema<ClusterId>(),
  project: idSchema<ProjectId>(),
  environment: idSchema<EnvironmentId>(),
  service: idSchema<ServiceId>(),
  /** Which lines, see `LineWishes`. */
  pod_name: z.string().max(200).optional(),
  query: z.string().max(2000).optional(),
  start: z.string().max(100).optional(),
  /** Lines of the release that this deployment ran. */
  deployment_id: idSchema<ExecutionId>().optional(),
  /** Of how many of the newest lines somebody new is shown those that are wanted. */
  limit: z.coerce.number().int().min(1).max(500).default(500),
  after: z.string().optional(),
});
type Query = z.infer<typeof Query>;

export interface ServiceLogsDeps {
  readonly store: Store;
  readonly live: Live;
  /** For history, which the engine keeps. */
  readonly bus: Pick<Bus, 'request'>;
  readonly clock: Clock;
  /**
   * How long the engine may leave history unanswered before clients are told to come back; 15 s
   * unless told.
   */
  readonly failingMsMax?: number;
}

/** Of at most 16 KiB each, for every client that is slower than its lines come. */
const pendingMax = 500;
const pageLines = 200;
const answerMsMax = 3000;
const failingMsMax = 15_000;

/** `/service/logs`: what a service writes, one line per frame. */
export function serviceLogs(deps: ServiceLogsDeps): AnySocket {
  return socket({
    path: '/service/logs',
    permission: 'log:read',
    query: Query,
    serve: (client, query, tenant) => serve(deps, client, query, tenant),
  });
}

async function serve(
  deps: ServiceLogsDeps,
  client: Client,
  query: Query,
  tenant: TenantContext,
): Promise<void> {
  const { store, live, clock } = deps;
  const cursor = parseCursor(query.after);
  const { service, release } = await store.tenant(tenant, async (tx) => {
    const scope = await loadScope(tx, query);
    const found = await getService(tx, query.service);
    if (found.environmentId !== scope.environmentId) {
      throw new Fault('not_found', 'There is no such service in that environment');
    }
    return { service: found, release: await findRelease(tx, query) };
  });
  const { pod_name: podName, query: text, start } = query;
  const isWanted = lineFilter({ podName, query: text, start, release }, service.id);
  if (cursor !== null && (cursor.series !== service.id || cursor.sequence === 'end')) {
    throw new Fault('invalid_input', 'Parameter after: the cursor is of another service');
  }
  const place = { clusterId: query.cluster, serviceId: service.id };
  let at = cursor === null ? 0 : (cursor.sequence as number);
  await followSequence<LogLine>({
    after: cursor === null ? null : at,
    read: (after) => readLines(deps, place, after, query.limit),
    subscribe: (onItems, onMissed) => live.logs(place, onItems, onMissed),
    async deliver(lines) {
      for (const line of lines) {
        at = line.sequence;
        const shown = serviceLine(line, service);
        if (isWanted(shown)) await client.send(JSON.stringify(shown));
      }
      return false;
    },
    async onGap(missing) {
      at = missing === null ? 0 : at + missing;
      await client.send(JSON.stringify(gapLine(missing, at, clock.now(), service)));
    },
    clock,
    signal: client.signal,
    pollMs: live.pollMs,
    pendingMax,
    failingMsMax: deps.failingMsMax ?? failingMsMax,
  });
}

/** Throws a Fault `not_found` where the deployment ran no release of that service. */
async function findRelease(tx: TenantTransaction, query: Query): Promise<LineWishes['release']> {
  const { deployment_id: id, environment, service } = query;
  if (id === undefined) return undefined;
  const execution = await findExecution(tx, environment, id);
  const parts = execution === null ? [] : await listExecutionServices(tx, [execution.id]);
  const releaseId = parts.find((part) => part.serviceId === service)?.releaseId ?? null;
  if (execution === null || releaseId === null) {
    throw new Fault('not_found', 'There is no deployment of that service by this deployment_id');
  }
  return { id: releaseId, from: execution.queuedAt };
}

interface Place {
  readonly clusterId: ClusterId;
  readonly serviceId: ServiceId;
}

async function readLines(
  deps: ServiceLogsDeps,
  place: Place,
  after: number | null,
  limit: number,
): Promise<Page<LogLine>> {
  let reply = await ask(
    deps,
    place,
    after === null ? { limit } : { afterSequence: after, limit: pageLines },
  );
  if (after === null) {
    // Long lines: fewer of the newest fitted into the answer than wanted. Then page by page from
    // the first that is wanted.
    const { oldestSequence, newestSequence } = reply;
    const first = Math.max(oldestSequence, newestSequence - limit + 1);
    if ((reply.lines[0]?.sequence ?? first) > first) {
      reply = await ask(deps, place, { afterSequence: first - 1, limit: pageLines });
    }
  }
  const { lines, oldestSequence, newestSequence } = reply;
  const reached = lines.at(-1)?.sequence ?? after ?? newestSequence;
  // Nothing is kept: everything up to the newest is gone.
  const oldest = oldestSequence > 0 ? oldestSequence : newestSequence + 1;
  return {
    items: lines,
    // Somebody without a cursor has not lost what came before.
    oldest: after === null ? null : oldest,
    newest: newestSequence,
    more: lines.length > 0 && reached < newestSequence,
    ended: false,
  };
}

async function ask(
  { bus }: ServiceLogsDeps,
  { clusterId, serviceId }: Place,
  which: { readonly afterSequence?: number; readonly limit: number },
): Promise<Extract<ControlReply, { kind: 'log_lines' }>> {
  const question = { kind: 'read_logs' as const, serviceId, ...which };
  const reply = await bus.request(messages.control, { clusterId }, question, {
    timeoutMs: answerMsMax,
  });
  if (reply.kind !== 'log_lines') {
    const detail = reply.kind === 'error' ? reply.detail : 'an unexpected answer';
    throw new Fault('unavailable', `The engine could not read the log: ${detail}`);
  }
  return reply;
}

const severities = { stdout: 'INFO', stderr: 'ERROR', platform: 'INFO' } as const;

interface NamedService {
  readonly id: ServiceId;
  readonly name: string;
}

function serviceLine(line: LogLine, service: NamedService): ServiceLog {
  return {
    container_name: service.name,
    created_at: Temporal.Instant.from(line.at).epochMilliseconds,
    from_kube: line.stream === 'platform',
    labels: { stream: line.stream },
    message: line.text,
    pod_name: line.instance,
    severity_text: severities[line.stream],
    version: line.version,
    cursor: formatCursor({ series: service.id, sequence: line.sequence }),
  };
}

function gapLine(
  missing: number | null,
  sequence: number,
  at: Temporal.Instant,
  service: NamedService,
): ServiceLog {
  const what = missing === null ? 'Earlier lines' : `${missing} lines before this one`;
  return {
    container_name: service.name,
    created_at: at.epochMilliseconds,
    from_kube: true,
    labels: { stream: 'platform' },
    message: `${what} are no longer kept: the gap is too old to be filled.`,
    pod_name: '',
    severity_text: 'WARN',
    version: '',
    cursor: formatCursor({ series: service.id, sequence }),
    gap: { missing },
  };
}
