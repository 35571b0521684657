import { Fault, type PrincipalId } from '@pilotfish/kernel';
import { and, eq, isNull, sql } from 'drizzle-orm';
import { projects } from '../schema/environments.ts';
import { memberships, organizations, roles } from '../schema/identity.ts';
import type { TenantTransaction } from '../transactions.ts';

export type OrganizationRow = typeof organizations.$inferSelect;
export type RoleRow = typeof roles.$inferSelect;
type Editable = Partial<
  Pick<
    OrganizationRow,
    'name' | 'description' | 'plan' | 'websiteUrl' | 'repository' | 'logoUrl' | 'iconUrl'
  >
>;

/** @throws Fault `not_found` where it is deleted */
export async function getOrganization(tx: TenantTransaction): Promise<OrganizationRow> {
  const [row] = await tx.db
    .select()
    .from(organizations)
    .where(and(eq(organizations.id, tx.organizationId), isNull(organizations.deletedAt)));
  if (row === undefined) throw new Fault('not_found', 'There is no such organization');
  return row;
}

/** The first principal that owns the organization. */
export async function findOwner(tx: TenantTransaction): Promise<PrincipalId | null> {
  const [row] = await tx.db
    .select({ principalId: memberships.principalId })
    .from(memberships)
    .innerJoin(roles, eq(roles.id, memberships.roleId))
    .where(and(eq(memberships.organizationId, tx.organizationId), eq(roles.name, 'Owner')))
    .orderBy(memberships.createdAt)
    .limit(1);
  return row?.principalId ?? null;
}

/** @throws Fault `not_found` where it is deleted */
export async function updateOrganization(
  tx: TenantTransaction,
  now: Temporal.Instant,
  change: Editable,
): Promise<OrganizationRow> {
  const [row] = await tx.db
    .update(organizations)
    .set({ ...change, updatedAt: now, version: sql`${organizations.version} + 1` })
    .where(and(eq(organizations.id, tx.organizationId), isNull(organizations.deletedAt)))
    .returning();
  if (row === undefined) throw new Fault('not_found', 'There is no such organization');
  return row;
}

/** @throws Fault `conflict` while it has projects, `not_found` where it is deleted already */
export async function deleteOrganization(
  tx: TenantTransaction,
  now: Temporal.Instant,
): Promise<void> {
  const left = await tx.db.$count(
    projects,
    and(eq(projects.organizationId, tx.organizationId), isNull(projects.deletedAt)),
  );
  if (left > 0)
    throw new Fault('conflict', 'The organization still has projects: delete them first');
  const deleted = await tx.db
    .update(organizations)
    .set({ deletedAt: now, updatedAt: now })
    .where(and(eq(organizations.id, tx.organizationId), isNull(organizations.deletedAt)))
    .returning({ id: organizations.id });
  if (deleted.length === 0) throw new Fault('not_found', 'There is no such organization');
}

/** Roles by id or by name; null where there is none. */
export async function findRole(
  tx: TenantTransaction,
  by: { readonly id: string } | { readonly name: string },
): Promise<RoleRow | null> {
  const [row] = await tx.db
    .select()
    .from(roles)
    .where(
      and(
        eq(roles.organizationId, tx.organizationId),
        'id' in by ? eq(roles.id, by.id) : eq(roles.name, by.name),
      ),
    );
  return row ?? null;
}
