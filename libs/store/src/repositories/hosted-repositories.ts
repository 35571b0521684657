import { Fault, newId, type RepositoryId } from '@pilotfish/kernel';
import { and, asc, eq, isNull, sql } from 'drizzle-orm';
import { repositories } from '../schema/deliveries.ts';
import type { TenantTransaction } from '../transactions.ts';

export type RepositoryRow = typeof repositories.$inferSelect;

const alive = (tx: TenantTransaction) =>
  and(eq(repositories.organizationId, tx.organizationId), isNull(repositories.deletedAt));

export async function insertRepository(
  tx: TenantTransaction,
  now: Temporal.Instant,
  repository: Pick<RepositoryRow, 'name' | 'defaultBranch'>,
): Promise<RepositoryRow> {
  const [row] = await tx.db
    .insert(repositories)
    .values({
      ...repository,
      id: newId<RepositoryId>(),
      organizationId: tx.organizationId,
      createdAt: now,
      updatedAt: now,
    })
    .returning();
  if (row === undefined) throw new Fault('internal', 'The repository was not saved');
  return row;
}

/** Oldest first. */
export async function listRepositories(
  tx: TenantTransaction,
  limit: number,
): Promise<readonly RepositoryRow[]> {
  return await tx.db
    .select()
    .from(repositories)
    .where(alive(tx))
    .orderBy(asc(repositories.id))
    .limit(limit);
}

export async function countRepositories(tx: TenantTransaction): Promise<number> {
  return await tx.db.$count(repositories, alive(tx));
}

/** @throws Fault `not_found` where it is not the tenant's, or deleted */
export async function getRepository(
  tx: TenantTransaction,
  by: { readonly id: RepositoryId } | { readonly name: string },
): Promise<RepositoryRow> {
  const condition = 'id' in by ? eq(repositories.id, by.id) : eq(repositories.name, by.name);
  const [row] = await tx.db
    .select()
    .from(repositories)
    .where(and(alive(tx), condition));
  if (row === undefined) throw new Fault('not_found', 'There is no such repository');
  return row;
}

/** Its name is free again at once. @throws Fault `not_found` */
export async function deleteRepository(
  tx: TenantTransaction,
  now: Temporal.Instant,
  id: RepositoryId,
): Promise<void> {
  const deleted = await tx.db
    .update(repositories)
    .set({ deletedAt: now, updatedAt: now, version: sql`${repositories.version} + 1` })
    .where(and(alive(tx), eq(repositories.id, id)))
    .returning({ id: repositories.id });
  if (deleted.length === 0) throw new Fault('not_found', 'There is no such repository');
}
