import type { EnvironmentId, ExecutionId, ServiceId } from '@pilotfish/kernel';
import { and, asc, count, desc, eq, inArray } from 'drizzle-orm';
import { services } from '../schema/environments.ts';
import { executionServices, executions } from '../schema/executions.ts';
import type { TenantTransaction } from '../transactions.ts';
import type { ServiceRow } from './environments.ts';
import { type ExecutionRow, type ExecutionServiceRow, openStatuses } from './executions.ts';

/** An environment's executions, newest first. */
export async function listExecutions(
  tx: TenantTransaction,
  environmentId: EnvironmentId,
  limit: number,
): Promise<readonly ExecutionRow[]> {
  return await tx.db
    .select()
    .from(executions)
    .where(
      and(
        eq(executions.organizationId, tx.organizationId),
        eq(executions.environmentId, environmentId),
      ),
    )
    .orderBy(desc(executions.generation))
    .limit(limit);
}

/** Executions by id. */
export async function findExecutions(
  tx: TenantTransaction,
  ids: readonly ExecutionId[],
): Promise<readonly ExecutionRow[]> {
  if (ids.length === 0) return [];
  return await tx.db
    .select()
    .from(executions)
    .where(and(eq(executions.organizationId, tx.organizationId), inArray(executions.id, [...ids])));
}

/** The parts of services in the executions that they are shown with, deleted services included. */
export async function listLastParts(
  tx: TenantTransaction,
  environmentId: EnvironmentId,
): Promise<readonly { readonly service: ServiceRow; readonly part: ExecutionServiceRow }[]> {
  return await tx.db
    .select({ service: services, part: executionServices })
    .from(services)
    .innerJoin(
      executionServices,
      and(
        eq(executionServices.serviceId, services.id),
        eq(executionServices.executionId, services.lastExecutionId),
      ),
    )
    .where(
      and(
        eq(services.organizationId, tx.organizationId),
        eq(services.environmentId, environmentId),
      ),
    );
}

/** How many open executions name each of an environment's services. */
export async function countOpenRequests(
  tx: TenantTransaction,
  environmentId: EnvironmentId,
): Promise<ReadonlyMap<ServiceId, number>> {
  const rows = await tx.db
    .select({ serviceId: executionServices.serviceId, requests: count() })
    .from(executionServices)
    .innerJoin(executions, eq(executions.id, executionServices.executionId))
    .where(
      and(
        eq(executions.organizationId, tx.organizationId),
        eq(executions.environmentId, environmentId),
        inArray(executions.status, [...openStatuses]),
      ),
    )
    .groupBy(executionServices.serviceId);
  return new Map(rows.map(({ serviceId, requests }) => [serviceId, requests]));
}

/** Services of an environment by id, deleted ones included: the history names them too. */
export async function listServicesEver(
  tx: TenantTransaction,
  environmentId: EnvironmentId,
): Promise<readonly ServiceRow[]> {
  return await tx.db
    .select()
    .from(services)
    .where(
      and(
        eq(services.organizationId, tx.organizationId),
        eq(services.environmentId, environmentId),
      ),
    )
    .orderBy(asc(services.id));
}
