import type { EnvironmentId, ExecutionId } from '@pilotfish/kernel';
import {
  type ExecutionRow,
  findExecutions,
  type TenantTransaction,
  tables,
} from '@pilotfish/store';
import { and, desc, eq, inArray, isNotNull, ne } from 'drizzle-orm';

const { environments, executions } = tables;

/**
 * The executions that statuses of environments tell of, newest first: the one that each is shown
 * with, and the last that ended.
 */
export async function shownExecutions(
  tx: TenantTransaction,
  shown: readonly { readonly id: EnvironmentId; readonly lastExecutionId: ExecutionId | null }[],
): Promise<readonly ExecutionRow[]> {
  if (shown.length === 0) return [];
  const last = await findExecutions(
    tx,
    shown.flatMap(({ lastExecutionId }) => lastExecutionId ?? []),
  );
  const ended = tx.db
    .select()
    .from(executions)
    .where(
      and(
        eq(executions.organizationId, tx.organizationId),
        eq(executions.environmentId, environments.id),
        isNotNull(executions.endedAt),
        ne(executions.status, 'SUPERSEDED'),
      ),
    )
    .orderBy(desc(executions.generation))
    .limit(1)
    .as('ended');
  const rows = await tx.db
    .select()
    .from(environments)
    .crossJoinLateral(ended)
    .where(
      and(
        eq(environments.organizationId, tx.organizationId),
        inArray(
          environments.id,
          shown.map(({ id }) => id),
        ),
      ),
    );
  const all = new Map([...last, ...rows.map((row) => row.ended)].map((row) => [row.id, row]));
  return [...all.values()].sort((a, b) => b.generation - a.generation);
}
