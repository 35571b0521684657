import { Fault, newId, type ProjectId } from '@pilotfish/kernel';
import { and, asc, count, eq, isNull, sql } from 'drizzle-orm';
import { environments, projects } from '../schema/environments.ts';
import type { TenantTransaction } from '../transactions.ts';

export type ProjectRow = typeof projects.$inferSelect;
export interface ProjectWithCount {
  readonly project: ProjectRow;
  readonly environmentCount: number;
}

export async function insertProject(
  tx: TenantTransaction,
  now: Temporal.Instant,
  project: { readonly name: string; readonly description: string },
): Promise<ProjectRow> {
  const [row] = await tx.db
    .insert(projects)
    .values({
      ...project,
      id: newId<ProjectId>(),
      organizationId: tx.organizationId,
      createdAt: now,
      updatedAt: now,
    })
    .returning();
  if (row === undefined) throw new Fault('internal', 'The project was not saved');
  return row;
}

/** With how many environments each has, oldest first. */
export async function listProjects(
  tx: TenantTransaction,
  limit: number,
): Promise<readonly ProjectWithCount[]> {
  return await tx.db
    .select({ project: projects, environmentCount: count(environments.id) })
    .from(projects)
    .leftJoin(
      environments,
      and(eq(environments.projectId, projects.id), isNull(environments.deletedAt)),
    )
    .where(and(eq(projects.organizationId, tx.organizationId), isNull(projects.deletedAt)))
    .groupBy(projects.id)
    .orderBy(asc(projects.id))
    .limit(limit);
}

export async function countProjects(tx: TenantTransaction): Promise<number> {
  return await tx.db.$count(
    projects,
    and(eq(projects.organizationId, tx.organizationId), isNull(projects.deletedAt)),
  );
}

const alive = (tx: TenantTransaction, id: ProjectId) =>
  and(
    eq(projects.organizationId, tx.organizationId),
    eq(projects.id, id),
    isNull(projects.deletedAt),
  );

/** @throws Fault `not_found` where it is not the tenant's, or deleted */
export async function getProject(tx: TenantTransaction, id: ProjectId): Promise<ProjectRow> {
  const [row] = await tx.db.select().from(projects).where(alive(tx, id));
  if (row === undefined) throw new Fault('not_found', 'There is no such project');
  return row;
}

/**
 * As `getProject`, keeping it from being deleted (and, by other callers of this, from growing past
 * a quota) until the transaction ends.
 */
export async function lockProject(tx: TenantTransaction, id: ProjectId): Promise<ProjectRow> {
  const [row] = await tx.db.select().from(projects).where(alive(tx, id)).for('update');
  if (row === undefined) throw new Fault('not_found', 'There is no such project');
  return row;
}

/** @throws Fault `not_found` */
export async function updateProject(
  tx: TenantTransaction,
  now: Temporal.Instant,
  id: ProjectId,
  change: { readonly name?: string; readonly description?: string; deletedAt?: Temporal.Instant },
): Promise<ProjectRow> {
  const [row] = await tx.db
    .update(projects)
    .set({ ...change, updatedAt: now, version: sql`${projects.version} + 1` })
    .where(alive(tx, id))
    .returning();
  if (row === undefined) throw new Fault('not_found', 'There is no such project');
  return row;
}
