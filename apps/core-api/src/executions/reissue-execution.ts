import {
  deleteEarlyEvents,
  type ExecutionRow,
  getExecution,
  lockEnvironment,
  type TenantTransaction,
  updateExecution,
  writeOutbox,
} from '@pilotfish/store';
import { isHandedOut } from './release-next.ts';

/**
 * Issues an execution again under the next attempt. From then on only reports of that attempt
 * count; an engine that has the execution in its journal repeats its reports under it, one that
 * lost it starts over above `confirmed_sequence`.
 *
 * @param seen as it was when somebody decided so; false where it has moved on since
 */
export async function reissueExecution(
  tx: TenantTransaction,
  now: Temporal.Instant,
  seen: ExecutionRow,
): Promise<boolean> {
  await lockEnvironment(tx, seen.environmentId, 'or deleted');
  const execution = await getExecution(tx, seen.id);
  if (!isHandedOut(execution) || execution.attempt !== seen.attempt) return false;
  if (execution.confirmedSequence !== seen.confirmedSequence) return false;
  await updateExecution(tx, execution.id, {
    attempt: execution.attempt + 1,
    publishedAt: null,
    reportedAt: null,
  });
  await deleteEarlyEvents(tx, execution.id);
  await writeOutbox(tx, now, execution);
  return true;
}
