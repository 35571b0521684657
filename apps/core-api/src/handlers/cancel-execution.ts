import { environmentState, serviceState } from '@pilotfish/domain-deploy';
import { type EnvironmentId, type ExecutionId, Fault } from '@pilotfish/kernel';
import {
  appendAudit,
  type EnvironmentRow,
  type ExecutionRow,
  endPendingReleases,
  endUnstartedParts,
  listExecutionServices,
  listOpenExecutions,
  lockEnvironment,
  type TenantTransaction,
  tables,
  updateExecution,
} from '@pilotfish/store';
import { and, eq } from 'drizzle-orm';
import { isHandedOut } from '../executions/release-next.ts';

export interface CancelRequest {
  readonly environmentId: EnvironmentId;
  /** Default: the one that an engine works on, else the oldest that waits. */
  readonly executionId?: ExecutionId;
  /** Stops everything of it at once, in place of waiting for a safe point. */
  readonly force: boolean;
}

export interface CancelOutcome {
  readonly executionId: ExecutionId;
  /** `canceled`: it had not started; `canceling`: tell the engine after the commit. */
  readonly kind: 'canceled' | 'canceling';
}

/**
 * Cancels one execution. What still waits ends here; what an engine may have is marked, which is the
 * durable form of the request: it is repeated to the engine until that reports the end.
 *
 * @throws Fault `conflict` where nothing of the environment is under way
 */
export async function cancelExecution(
  tx: TenantTransaction,
  now: Temporal.Instant,
  request: CancelRequest,
): Promise<CancelOutcome> {
  const environment = await lockEnvironment(tx, request.environmentId);
  const open = await listOpenExecutions(tx, environment.id);
  const execution =
    request.executionId === undefined
      ? (open.find(isHandedOut) ?? open[0])
      : open.find((one) => one.id === request.executionId);
  if (execution === undefined) {
    throw new Fault('conflict', 'Nothing of this environment is being deployed');
  }
  await appendAudit(tx, now, {
    action: 'execution.cancel_requested',
    targetKind: 'environment',
    targetId: environment.id,
    detail: { executionId: execution.id, force: request.force },
  });
  if (isHandedOut(execution)) {
    await markCanceling(tx, now, environment, execution, request.force);
    return { executionId: execution.id, kind: 'canceling' };
  }
  await endQueued(tx, now, environment, execution);
  return { executionId: execution.id, kind: 'canceled' };
}

async function markCanceling(
  tx: TenantTransaction,
  now: Temporal.Instant,
  environment: EnvironmentRow,
  execution: ExecutionRow,
  force: boolean,
): Promise<void> {
  await updateExecution(tx, execution.id, {
    status: 'CANCELING',
    cancelRequestedAt: execution.cancelRequestedAt ?? now,
    cancelForced: execution.cancelForced || force,
    explanation: `Canceled by ${tx.context.actor.name}.`,
  });
  await showState(tx, now, environment, execution, 'CANCELING');
}

async function endQueued(
  tx: TenantTransaction,
  now: Temporal.Instant,
  environment: EnvironmentRow,
  execution: ExecutionRow,
): Promise<void> {
  await updateExecution(tx, execution.id, {
    status: 'CANCELED',
    cancelRequestedAt: now,
    endedAt: now,
    explanation: `Canceled by ${tx.context.actor.name} before it started.`,
  });
  await endUnstartedParts(tx, execution.id, now);
  const services = await listExecutionServices(tx, [execution.id]);
  await endPendingReleases(
    tx,
    services.flatMap(({ releaseId }) => releaseId ?? []),
    'CANCELED',
  );
  for (const { serviceId, action } of services) {
    await tx.db
      .update(tables.services)
      .set({ state: serviceState(action, 'CANCELED') })
      .where(
        and(eq(tables.services.id, serviceId), eq(tables.services.lastExecutionId, execution.id)),
      );
  }
  await showState(tx, now, environment, execution, 'CANCELED');
}

/** The environment shows its newest request; canceling an older one does not hide that. */
async function showState(
  tx: TenantTransaction,
  now: Temporal.Instant,
  environment: EnvironmentRow,
  execution: ExecutionRow,
  status: 'CANCELING' | 'CANCELED',
): Promise<void> {
  if (environment.lastExecutionId !== execution.id) return;
  await tx.db
    .update(tables.environments)
    .set({ state: environmentState(execution.action, status), updatedAt: now })
    .where(eq(tables.environments.id, environment.id));
}
