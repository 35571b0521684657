import type { EventBatch, ExecutionEvent } from '@pilotfish/contracts';
import type { ClusterId, ExecutionId } from '@pilotfish/kernel';
import type { Logger } from '@pilotfish/runtime';
import {
  appendAudit,
  deleteEarlyEvents,
  type ExecutionRow,
  findExecutionOfCluster,
  getCluster,
  getExecution,
  insertEarlyEvents,
  insertEvents,
  listEarlyEvents,
  listExecutionServices,
  listExecutionStages,
  lockEnvironment,
  openStatuses,
  type Store,
  type TenantTransaction,
  updateExecution,
} from '@pilotfish/store';
import { releaseNext } from '../executions/release-next.ts';
import { systemContext } from '../executions/system-context.ts';
import { type ExecutionView, foldEvents } from './fold-events.ts';
import { saveView } from './save-view.ts';

export interface IngestDeps {
  readonly store: Store;
  readonly logger: Logger;
}

/** What became of the batches of one execution. */
export interface Ingested {
  /** Tell the engine; null where it is to keep everything (another attempt or lease counts now). */
  readonly confirmedSequence: number | null;
  /** Ring `outbox.written`: the end of this one released the next. */
  readonly released: boolean;
}

/**
 * Commits batches of one execution, in any order, repeated or with holes: only the gapless
 * continuation of what is stored moves anything, the rest waits in the database for what it follows.
 *
 * @param clusterId as the subject says, which the engine's credentials bind
 */
export async function ingestBatches(
  { store, logger }: IngestDeps,
  now: Temporal.Instant,
  clusterId: ClusterId,
  executionId: ExecutionId,
  batches: readonly EventBatch[],
): Promise<Ingested> {
  return await store.system('worker', async (tx) => {
    const known = await findExecutionOfCluster(tx, clusterId, executionId);
    if (known === null) {
      // Restored from a backup that is older than the execution: nobody will ever ask for it, and
      // an engine that kept it would repeat it for ever.
      logger.warn({ clusterId, executionId }, 'events of an unknown execution are let go');
      return { confirmedSequence: highestSequence(batches), released: false };
    }
    if (hasEnded(known)) return { confirmedSequence: highestSequence(batches), released: false };
    const tenant = await tx.asTenant(systemContext(known.organizationId, 'engine', known.trace));
    return await advance({ logger }, tenant, now, known, batches);
  });
}

async function advance(
  { logger }: { readonly logger: Logger },
  tx: TenantTransaction,
  now: Temporal.Instant,
  known: ExecutionRow,
  batches: readonly EventBatch[],
): Promise<Ingested> {
  const environment = await lockEnvironment(tx, known.environmentId, 'or deleted');
  const execution = await getExecution(tx, known.id);
  if (hasEnded(execution)) {
    return { confirmedSequence: highestSequence(batches), released: false };
  }
  // The lease is the cluster's: an engine that lost it reports in vain, whatever it was given.
  const { lease } = await getCluster(tx, execution.clusterId);
  const { attempt } = execution;
  const valid = batches.filter((batch) => batch.attempt === attempt && batch.lease === lease);
  if (valid.length === 0) {
    logger.info(
      { executionId: execution.id, attempt, lease },
      'events of another attempt or lease are refused',
    );
    return { confirmedSequence: null, released: false };
  }
  const early = await listEarlyEvents(tx, execution.id, execution.attempt);
  const { next, waiting } = continuation(execution.confirmedSequence, [
    ...early,
    ...valid.flatMap((batch) => batch.events),
  ]);
  await insertEvents(tx, now, execution.id, next);
  const before = await loadView(tx, execution);
  const folded = foldEvents(before, next);
  await saveView(tx, now, environment, execution, before, folded);
  const after = folded.view;
  const confirmedSequence = next.at(-1)?.sequence ?? execution.confirmedSequence;
  await updateExecution(tx, execution.id, {
    status: after.status,
    explanation: after.explanation,
    isolation: after.isolation,
    startedAt: after.startedAt,
    endedAt: after.endedAt,
    reportedAt: now,
    confirmedSequence,
  });
  if (after.endedAt === null) {
    if (early.length > 0) await deleteEarlyEvents(tx, execution.id, confirmedSequence);
    await insertEarlyEvents(tx, execution.id, execution.attempt, waiting);
    return { confirmedSequence, released: false };
  }
  await deleteEarlyEvents(tx, execution.id);
  await appendAudit(tx, now, {
    action: 'execution.ended',
    targetKind: 'environment',
    targetId: environment.id,
    detail: { executionId: execution.id, status: after.status },
  });
  const { id: executionId, trace } = execution;
  logger.info({ executionId, status: after.status, trace }, 'execution ended');
  const released = await releaseNext(tx, now, environment);
  return { confirmedSequence, released: released !== null };
}

/** The events that follow what is stored without a hole, and those behind the first hole. */
function continuation(
  confirmedSequence: number,
  events: readonly ExecutionEvent[],
): { readonly next: readonly ExecutionEvent[]; readonly waiting: readonly ExecutionEvent[] } {
  const bySequence = new Map(
    events.filter((e) => e.sequence > confirmedSequence).map((e) => [e.sequence, e]),
  );
  const sorted = [...bySequence.values()].sort((a, b) => a.sequence - b.sequence);
  const hole = sorted.findIndex((event, index) => event.sequence !== confirmedSequence + 1 + index);
  return hole === -1
    ? { next: sorted, waiting: [] }
    : { next: sorted.slice(0, hole), waiting: sorted.slice(hole) };
}

async function loadView(tx: TenantTransaction, execution: ExecutionRow): Promise<ExecutionView> {
  const services = await listExecutionServices(tx, [execution.id]);
  const stages = await listExecutionStages(tx, [execution.id]);
  return {
    status: execution.status,
    explanation: execution.explanation,
    isolation: execution.isolation,
    startedAt: execution.startedAt,
    endedAt: execution.endedAt,
    services: new Map(services.map((service) => [service.serviceId, service])),
    stages: new Map(
      stages.map(({ stageId, status, startedAt, endedAt }) => [
        stageId,
        { status, startedAt, endedAt },
      ]),
    ),
  };
}

function hasEnded(execution: ExecutionRow): boolean {
  return !(openStatuses as readonly string[]).includes(execution.status);
}

function highestSequence(batches: readonly EventBatch[]): number {
  return Math.max(...batches.flatMap((batch) => batch.events.map((event) => event.sequence)));
}
