import type { ExecutionId } from '@pilotfish/kernel';
import {
  type EnvironmentRow,
  type ExecutionRow,
  getCluster,
  handedOutStatuses,
  listOpenExecutions,
  type TenantTransaction,
  tables,
  updateExecution,
  writeOutbox,
} from '@pilotfish/store';
import { eq } from 'drizzle-orm';

/**
 * Hands the oldest queued execution to its cluster, unless one is handed out already: called in the
 * transaction that ended the one before, or that queued the first. The environment must be locked.
 *
 * @returns the execution that the relay will publish; null where nothing is to be released
 */
export async function releaseNext(
  tx: TenantTransaction,
  now: Temporal.Instant,
  environment: EnvironmentRow,
): Promise<ExecutionId | null> {
  const open = await listOpenExecutions(tx, environment.id);
  if (open.some((execution) => isHandedOut(execution))) return null;
  const [next] = open;
  if (next === undefined) return null;
  // The lease of the issue: events of an engine that held another one will be refused.
  const { lease } = await getCluster(tx, next.clusterId);
  await updateExecution(tx, next.id, { status: 'RELEASED', releasedAt: now, lease });
  await tx.db
    .update(tables.environments)
    .set({ releasedGeneration: next.generation })
    .where(eq(tables.environments.id, environment.id));
  await writeOutbox(tx, now, next);
  return next.id;
}

/** True for the one execution of an environment that an engine may be working on. */
export function isHandedOut(execution: Pick<ExecutionRow, 'status'>): boolean {
  return (handedOutStatuses as readonly string[]).includes(execution.status);
}
