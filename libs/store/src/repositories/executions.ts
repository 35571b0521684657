import type { EnvironmentId, ExecutionId } from '@pilotfish/kernel';
import { Fault } from '@pilotfish/kernel';
import { and, asc, eq, inArray } from 'drizzle-orm';
import { executionServices, executionStages, executions } from '../schema/executions.ts';
import type { TenantTransaction } from '../transactions.ts';

export type ExecutionRow = typeof executions.$inferSelect;
export type ExecutionServiceRow = typeof executionServices.$inferSelect;
export type ExecutionStageRow = typeof executionStages.$inferSelect;

/** Statuses of an execution that an engine may be working on: at most one per environment. */
export const handedOutStatuses = ['RELEASED', 'ONGOING', 'CANCELING'] as const;
/** Statuses of an execution that has not ended. */
export const openStatuses = ['QUEUED', ...handedOutStatuses] as const;

/** An environment's executions that have not ended, oldest first. */
export async function listOpenExecutions(
  tx: TenantTransaction,
  environmentId: EnvironmentId,
): Promise<readonly ExecutionRow[]> {
  return await tx.db
    .select()
    .from(executions)
    .where(
      and(
        eq(executions.organizationId, tx.organizationId),
        eq(executions.environmentId, environmentId),
        inArray(executions.status, [...openStatuses]),
      ),
    )
    .orderBy(asc(executions.generation));
}

/** @throws Fault `not_found` where it is not the tenant's */
export async function getExecution(
  tx: TenantTransaction,
  executionId: ExecutionId,
): Promise<ExecutionRow> {
  const [row] = await tx.db
    .select()
    .from(executions)
    .where(and(eq(executions.organizationId, tx.organizationId), eq(executions.id, executionId)));
  if (row === undefined) throw new Fault('not_found', 'There is no such execution');
  return row;
}

export async function listExecutionServices(
  tx: TenantTransaction,
  executionIds: readonly ExecutionId[],
): Promise<readonly ExecutionServiceRow[]> {
  if (executionIds.length === 0) return [];
  return await tx.db
    .select()
    .from(executionServices)
    .where(
      and(
        eq(executionServices.organizationId, tx.organizationId),
        inArray(executionServices.executionId, [...executionIds]),
      ),
    )
    .orderBy(asc(executionServices.executionId), asc(executionServices.serviceId));
}

export async function listExecutionStages(
  tx: TenantTransaction,
  executionIds: readonly ExecutionId[],
): Promise<readonly ExecutionStageRow[]> {
  if (executionIds.length === 0) return [];
  return await tx.db
    .select()
    .from(executionStages)
    .where(
      and(
        eq(executionStages.organizationId, tx.organizationId),
        inArray(executionStages.executionId, [...executionIds]),
      ),
    )
    .orderBy(asc(executionStages.executionId), asc(executionStages.position));
}

/** Saves an execution with its stages and services. The environment must be locked. */
export async function insertExecution(
  tx: TenantTransaction,
  execution: Omit<typeof executions.$inferInsert, 'organizationId'>,
  stages: readonly { stageId: ExecutionStageRow['stageId']; name: string; position: number }[],
  services: readonly Omit<
    typeof executionServices.$inferInsert,
    'organizationId' | 'executionId'
  >[],
): Promise<ExecutionRow> {
  const { organizationId } = tx;
  const [row] = await tx.db
    .insert(executions)
    .values({ ...execution, organizationId })
    .returning();
  if (row === undefined) throw new Fault('internal', 'The execution was not saved');
  if (stages.length > 0) {
    await tx.db.insert(executionStages).values(
      stages.map((s) => ({
        ...s,
        organizationId,
        executionId: row.id,
        status: 'QUEUED' as const,
      })),
    );
  }
  if (services.length > 0) {
    await tx.db
      .insert(executionServices)
      .values(services.map((s) => ({ ...s, organizationId, executionId: row.id })));
  }
  return row;
}

/** Changes one execution; the environment must be locked. */
export async function updateExecution(
  tx: TenantTransaction,
  executionId: ExecutionId,
  change: Partial<typeof executions.$inferInsert>,
): Promise<void> {
  await tx.db
    .update(executions)
    .set(change)
    .where(and(eq(executions.organizationId, tx.organizationId), eq(executions.id, executionId)));
}

/** What the services and stages of an execution that will never run are called in the history. */
export async function endUnstartedParts(
  tx: TenantTransaction,
  executionId: ExecutionId,
  at: Temporal.Instant,
): Promise<void> {
  await tx.db
    .update(executionServices)
    .set({ progress: 'CANCELED', endedAt: at })
    .where(
      and(
        eq(executionServices.organizationId, tx.organizationId),
        eq(executionServices.executionId, executionId),
      ),
    );
  await tx.db
    .update(executionStages)
    .set({ status: 'CANCELED', endedAt: at })
    .where(
      and(
        eq(executionStages.organizationId, tx.organizationId),
        eq(executionStages.executionId, executionId),
      ),
    );
}
