import type { ExecutionEvent } from '@pilotfish/contracts';
import type { ClusterId, ExecutionId } from '@pilotfish/kernel';
import { and, asc, eq, lte, sql } from 'drizzle-orm';
import { earlyEvents, executionEvents, executions } from '../schema/executions.ts';
import type { SystemTransaction, TenantTransaction } from '../transactions.ts';
import type { ExecutionRow } from './executions.ts';
import { dayOf } from './partitions.ts';

/** Early events kept per execution; an engine repeats what is dropped. */
const earlyEventsMax = 2000;
/** Rows per statement: a statement takes at most 65,535 parameters. */
const rowsMax = 2000;

/** An execution of a cluster, whosever it is; null where the database knows none. */
export async function findExecutionOfCluster(
  tx: SystemTransaction<'worker'>,
  clusterId: ClusterId,
  executionId: ExecutionId,
): Promise<ExecutionRow | null> {
  const [row] = await tx.db
    .select()
    .from(executions)
    .where(and(eq(executions.id, executionId), eq(executions.clusterId, clusterId)));
  return row ?? null;
}

/** The gapless continuation of an execution's events. The environment must be locked. */
export async function insertEvents(
  tx: TenantTransaction,
  now: Temporal.Instant,
  executionId: ExecutionId,
  events: readonly ExecutionEvent[],
): Promise<void> {
  const { organizationId } = tx;
  const day = dayOf(now);
  for (let from = 0; from < events.length; from += rowsMax) {
    await tx.db.insert(executionEvents).values(
      events.slice(from, from + rowsMax).map((body) => ({
        executionId,
        sequence: body.sequence,
        day,
        organizationId,
        at: Temporal.Instant.from(body.at).round('millisecond'),
        body,
      })),
    );
  }
}

/** Events of one attempt that wait for those before them, in order. */
export async function listEarlyEvents(
  tx: TenantTransaction,
  executionId: ExecutionId,
  attempt: number,
): Promise<readonly ExecutionEvent[]> {
  const rows = await tx.db
    .select({ body: earlyEvents.body })
    .from(earlyEvents)
    .where(and(eq(earlyEvents.executionId, executionId), eq(earlyEvents.attempt, attempt)))
    .orderBy(asc(earlyEvents.sequence));
  return rows.map((row) => row.body);
}

/** Keeps events that arrived before the ones they follow. */
export async function insertEarlyEvents(
  tx: TenantTransaction,
  executionId: ExecutionId,
  attempt: number,
  events: readonly ExecutionEvent[],
): Promise<void> {
  const kept = events.slice(0, earlyEventsMax);
  if (kept.length === 0) return;
  await tx.db
    .insert(earlyEvents)
    .values(
      kept.map((body) => ({
        executionId,
        sequence: body.sequence,
        organizationId: tx.organizationId,
        attempt,
        body,
      })),
    )
    .onConflictDoUpdate({
      target: [earlyEvents.executionId, earlyEvents.sequence],
      // What an older attempt left behind means nothing any more.
      set: { attempt: sql`excluded.attempt`, body: sql`excluded.body` },
    });
}

/** Forgets what is stored for good, or, without `upTo`, everything. */
export async function deleteEarlyEvents(
  tx: TenantTransaction,
  executionId: ExecutionId,
  upTo?: number,
): Promise<void> {
  await tx.db
    .delete(earlyEvents)
    .where(
      and(
        eq(earlyEvents.executionId, executionId),
        upTo === undefined ? undefined : lte(earlyEvents.sequence, upTo),
      ),
    );
}
