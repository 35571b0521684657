import { type ExecutionStatus, environmentState, serviceState } from '@pilotfish/domain-deploy';
import {
  deleteOutbox,
  type ExecutionRow,
  endPendingReleases,
  endUnstartedParts,
  getExecution,
  listExecutionServices,
  lockEnvironment,
  type TenantTransaction,
  tables,
  updateExecution,
} from '@pilotfish/store';
import { and, eq } from 'drizzle-orm';
import { isHandedOut, releaseNext } from './release-next.ts';

/**
 * Ends an execution that no engine will report on, and releases the next one of its environment in
 * the same transaction.
 *
 * @param seen as it was when somebody decided so; nothing happens where it was issued again since
 */
export async function endExecution(
  tx: TenantTransaction,
  now: Temporal.Instant,
  seen: Pick<ExecutionRow, 'id' | 'environmentId' | 'attempt'>,
  end: {
    readonly status: Extract<ExecutionStatus, 'FAILED' | 'CANCELED'>;
    readonly explanation: string;
  },
): Promise<void> {
  const { id: executionId, environmentId } = seen;
  const environment = await lockEnvironment(tx, environmentId, 'or deleted');
  const execution = await getExecution(tx, executionId);
  if (!isHandedOut(execution) || execution.attempt !== seen.attempt) return;
  await updateExecution(tx, executionId, { ...end, endedAt: now });
  await endUnstartedParts(tx, executionId, now);
  const services = await listExecutionServices(tx, [executionId]);
  const releases = services.flatMap(({ releaseId }) => releaseId ?? []);
  await endPendingReleases(tx, releases, end.status);
  for (const { serviceId, action } of services) {
    const progress = end.status === 'FAILED' ? 'DEPLOY_FAILED' : 'CANCELED';
    await tx.db
      .update(tables.services)
      .set({ state: serviceState(action, progress) })
      .where(
        and(eq(tables.services.id, serviceId), eq(tables.services.lastExecutionId, executionId)),
      );
  }
  await tx.db
    .update(tables.environments)
    .set({ state: environmentState(execution.action, end.status), updatedAt: now })
    .where(
      and(
        eq(tables.environments.id, environmentId),
        eq(tables.environments.lastExecutionId, executionId),
      ),
    );
  await deleteOutbox(tx, executionId);
  await releaseNext(tx, now, environment);
}
