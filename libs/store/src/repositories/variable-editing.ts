import {
  type EnvironmentId,
  Fault,
  type ProjectId,
  type ServiceId,
  type VariableId,
} from '@pilotfish/kernel';
import { and, asc, eq, isNotNull, isNull, or, type SQL, sql } from 'drizzle-orm';
import { environments, services } from '../schema/environments.ts';
import { variables, variableVersions } from '../schema/variables.ts';
import type { TenantTransaction } from '../transactions.ts';

export type VariableRow = typeof variables.$inferSelect;
export type VariableVersionRow = typeof variableVersions.$inferSelect;

/** A variable with its present value; for a secret `value` is null, and the ciphertext stays out. */
export interface VariableWithValue {
  readonly variable: VariableRow;
  readonly value: string | null;
  readonly serviceName: string | null;
}

/** A plain value, or the ciphertext of a secret: exactly one is not null. */
export interface StoredValue {
  readonly value: string | null;
  readonly ciphertext: Uint8Array | null;
}

export type NewVariable = Pick<
  VariableRow,
  'id' | 'key' | 'scope' | 'projectId' | 'environmentId' | 'serviceId' | 'isSecret' | 'description'
>;

/** Saves a variable with the first version of its value. */
export async function insertVariable(
  tx: TenantTransaction,
  now: Temporal.Instant,
  variable: NewVariable,
  stored: StoredValue,
): Promise<VariableRow> {
  const [row] = await tx.db
    .insert(variables)
    .values({
      ...variable,
      organizationId: tx.organizationId,
      currentVersion: 1,
      createdAt: now,
      updatedAt: now,
    })
    .returning();
  if (row === undefined) throw new Fault('internal', 'The variable was not saved');
  await insertVersion(tx, now, row.id, 1, stored);
  return row;
}

async function insertVersion(
  tx: TenantTransaction,
  now: Temporal.Instant,
  variableId: VariableId,
  number: number,
  stored: StoredValue,
): Promise<void> {
  await tx.db.insert(variableVersions).values({
    variableId,
    number,
    organizationId: tx.organizationId,
    ...stored,
    createdAt: now,
    createdBy: tx.context.actor.principalId,
  });
}

/**
 * One variable, locked until the transaction ends: its next version is numbered under this lock.
 *
 * @throws Fault `not_found` where it is not the tenant's, or deleted
 */
export async function lockVariable(tx: TenantTransaction, id: VariableId): Promise<VariableRow> {
  const [row] = await tx.db
    .select()
    .from(variables)
    .where(
      and(
        eq(variables.organizationId, tx.organizationId),
        eq(variables.id, id),
        isNull(variables.deletedAt),
      ),
    )
    .for('update');
  if (row === undefined) throw new Fault('not_found', 'There is no such variable');
  return row;
}

/** Changes a locked variable; with `stored`, its value gets the next version. */
export async function updateVariable(
  tx: TenantTransaction,
  now: Temporal.Instant,
  variable: VariableRow,
  change: Partial<Pick<VariableRow, 'key' | 'description' | 'deletedAt'>>,
  stored: StoredValue | null,
): Promise<VariableRow> {
  const number = variable.currentVersion + (stored === null ? 0 : 1);
  if (stored !== null) await insertVersion(tx, now, variable.id, number, stored);
  const [row] = await tx.db
    .update(variables)
    .set({
      ...change,
      currentVersion: number,
      updatedAt: now,
      version: sql`${variables.version} + 1`,
    })
    .where(and(eq(variables.organizationId, tx.organizationId), eq(variables.id, variable.id)))
    .returning();
  if (row === undefined) throw new Fault('not_found', 'There is no such variable');
  return row;
}

/** Where variables are looked for: a scope and the wider ones around it. */
export interface VariablePlace {
  readonly projectId: ProjectId;
  readonly environmentId: EnvironmentId | null;
  readonly serviceId: ServiceId | null;
}

/** Variables that a place defines or inherits, by key; wider scopes first where keys are equal. */
export async function listVariables(
  tx: TenantTransaction,
  place: VariablePlace,
  limit: number,
): Promise<readonly VariableWithValue[]> {
  return await tx.db
    .select({
      variable: variables,
      value: variableVersions.value,
      serviceName: services.name,
    })
    .from(variables)
    .innerJoin(
      variableVersions,
      and(
        eq(variableVersions.variableId, variables.id),
        eq(variableVersions.number, variables.currentVersion),
      ),
    )
    .leftJoin(services, eq(services.id, variables.serviceId))
    .where(
      and(
        eq(variables.organizationId, tx.organizationId),
        eq(variables.projectId, place.projectId),
        visibleFrom(variables.environmentId, place.environmentId),
        visibleFrom(variables.serviceId, place.serviceId),
        isNull(variables.deletedAt),
      ),
    )
    .orderBy(
      asc(variables.key),
      sql`${variables.serviceId} is not null`,
      sql`${variables.environmentId} is not null`,
    )
    .limit(limit);
}

type ScopeColumn = typeof variables.environmentId | typeof variables.serviceId;

function visibleFrom(column: ScopeColumn, id: EnvironmentId | ServiceId | null): SQL | undefined {
  return id === null ? isNull(column) : or(isNull(column), eq(column, id as never));
}

export async function countVariables(tx: TenantTransaction, parentId: string): Promise<number> {
  return await tx.db.$count(
    variables,
    and(
      eq(variables.organizationId, tx.organizationId),
      eq(variables.parentId, parentId),
      isNull(variables.deletedAt),
    ),
  );
}

/** Deployed services that see what a place defines: their release is now behind. */
export async function markReadersOutOfDate(
  tx: TenantTransaction,
  place: VariablePlace,
): Promise<void> {
  const inScope =
    place.serviceId !== null
      ? eq(services.id, place.serviceId)
      : place.environmentId !== null
        ? eq(services.environmentId, place.environmentId)
        : sql`${services.environmentId} in (select ${environments.id} from ${environments} where ${environments.projectId} = ${place.projectId})`;
  await tx.db
    .update(services)
    .set({ outOfDate: true })
    .where(
      and(
        eq(services.organizationId, tx.organizationId),
        isNull(services.deletedAt),
        isNotNull(services.currentReleaseId),
        inScope,
      ),
    );
}
