import type { ExecutionEvent } from '@pilotfish/contracts';
import {
  type ClusterId,
  type EnvironmentId,
  type ExecutionId,
  Fault,
  type ProjectId,
} from '@pilotfish/kernel';
import {
  type ExecutionRow,
  getEnvironment,
  listServicesEver,
  type TenantTransaction,
  tables,
} from '@pilotfish/store';
import { and, asc, desc, eq, gt, gte, inArray, sql } from 'drizzle-orm';
import type { Page } from './follow-sequence.ts';

const { executions, executionEvents, executionStages } = tables;

/** What a client named in its address, and found to be the tenant's. */
export interface EnvironmentScope {
  readonly environmentId: EnvironmentId;
  readonly environmentName: string;
  readonly clusterId: ClusterId;
  /** Names of all services that ever were, for the lines of old deployments. */
  readonly serviceNames: ReadonlyMap<string, string>;
}

/** Throws a Fault `not_found` where any part of the address does not belong to the others. */
export async function loadScope(
  tx: TenantTransaction,
  query: {
    readonly project: ProjectId;
    readonly environment: EnvironmentId;
    readonly cluster?: ClusterId | undefined;
  },
): Promise<EnvironmentScope> {
  const { environment, cluster } = await getEnvironment(tx, query.environment);
  const otherCluster = query.cluster !== undefined && query.cluster !== cluster.id;
  if (environment.projectId !== query.project || otherCluster) {
    throw new Fault('not_found', 'There is no such environment in that project and cluster');
  }
  const services = await listServicesEver(tx, environment.id);
  return {
    environmentId: environment.id,
    environmentName: environment.name,
    clusterId: environment.clusterId,
    serviceNames: new Map(services.map(({ id, name }) => [id, name])),
  };
}

const ofEnvironment = (tx: TenantTransaction, environmentId: EnvironmentId) =>
  and(
    eq(executions.organizationId, tx.organizationId),
    eq(executions.environmentId, environmentId),
  );

/** Null where the environment has none of that id. */
export async function findExecution(
  tx: TenantTransaction,
  environmentId: EnvironmentId,
  executionId: string,
): Promise<ExecutionRow | null> {
  const [row] = await tx.db
    .select()
    .from(executions)
    .where(and(ofEnvironment(tx, environmentId), eq(executions.id, executionId as ExecutionId)));
  return row ?? null;
}

/** Where somebody new begins: with what is running, else with the latest; null before the first. */
export async function presentExecution(
  tx: TenantTransaction,
  environmentId: EnvironmentId,
): Promise<ExecutionRow | null> {
  const [running] = await tx.db
    .select()
    .from(executions)
    .where(
      and(
        ofEnvironment(tx, environmentId),
        inArray(executions.status, ['RELEASED', 'ONGOING', 'CANCELING']),
      ),
    );
  if (running !== undefined) return running;
  const [latest] = await tx.db
    .select()
    .from(executions)
    .where(ofEnvironment(tx, environmentId))
    .orderBy(desc(executions.generation))
    .limit(1);
  return latest ?? null;
}

/** The one after a generation; null where there is none yet. */
export async function nextExecution(
  tx: TenantTransaction,
  environmentId: EnvironmentId,
  generation: number,
): Promise<ExecutionRow | null> {
  const [row] = await tx.db
    .select()
    .from(executions)
    .where(and(ofEnvironment(tx, environmentId), gt(executions.generation, generation)))
    .orderBy(asc(executions.generation))
    .limit(1);
  return row ?? null;
}

export async function stageNames(
  tx: TenantTransaction,
  executionId: ExecutionId,
): Promise<ReadonlyMap<string, string>> {
  const rows = await tx.db
    .select({ id: executionStages.stageId, name: executionStages.name })
    .from(executionStages)
    .where(
      and(
        eq(executionStages.organizationId, tx.organizationId),
        eq(executionStages.executionId, executionId),
      ),
    );
  return new Map(rows.map(({ id, name }) => [id, name]));
}

export interface EventPage extends Page<ExecutionEvent> {
  readonly execution: ExecutionRow;
}

const pageRows = 500;

/**
 * Stored events of an execution above a sequence. What was dropped with its day's partition shows
 * as a gap before the first event that is left.
 */
export async function readEvents(
  tx: TenantTransaction,
  executionId: ExecutionId,
  after: number,
): Promise<EventPage> {
  const [execution] = await tx.db
    .select()
    .from(executions)
    .where(and(eq(executions.organizationId, tx.organizationId), eq(executions.id, executionId)));
  if (execution === undefined) throw new Fault('not_found', 'There is no such execution');
  const rows = await tx.db
    .select({ sequence: executionEvents.sequence, body: executionEvents.body })
    .from(executionEvents)
    .where(
      and(
        eq(executionEvents.organizationId, tx.organizationId),
        eq(executionEvents.executionId, executionId),
        gt(executionEvents.sequence, after),
        // Nothing is recorded before it was asked for: leaves out older partitions.
        gte(
          executionEvents.day,
          sql`(${execution.queuedAt.toString()}::timestamptz - '1 day'::interval)::date`,
        ),
      ),
    )
    .orderBy(asc(executionEvents.sequence))
    .limit(pageRows);
  const items = rows.map(({ sequence, body }) => ({ ...body, sequence }));
  const more = rows.length === pageRows;
  const reached = items.at(-1)?.sequence ?? after;
  const over = !more && isOver(execution);
  const lost = items.length === 0 && over && execution.confirmedSequence > after;
  return {
    execution,
    items,
    oldest: lost ? execution.confirmedSequence + 1 : (items[0]?.sequence ?? null),
    // Of what runs, history lags behind what is told live.
    newest: over ? execution.confirmedSequence : null,
    more,
    ended: over && (lost || reached >= execution.confirmedSequence),
  };
}

/** True where no engine will report any more. */
function isOver({ status }: ExecutionRow): boolean {
  return ['SUCCEEDED', 'FAILED', 'CANCELED', 'SUPERSEDED'].includes(status);
}

/** True where the log itself ends with the end of the execution, as one that an engine ran does. */
export async function hasTerminalEvent(
  tx: TenantTransaction,
  execution: ExecutionRow,
): Promise<boolean> {
  if (execution.confirmedSequence === 0) return false;
  const [row] = await tx.db
    .select({ body: executionEvents.body })
    .from(executionEvents)
    .where(
      and(
        eq(executionEvents.organizationId, tx.organizationId),
        eq(executionEvents.executionId, execution.id),
        eq(executionEvents.sequence, execution.confirmedSequence),
      ),
    );
  return row?.body.kind === 'execution_ended';
}
