import { type ApiTokenId, Fault, newId, type PrincipalId } from '@pilotfish/kernel';
import { aliasedTable, and, desc, eq, isNull, type SQL } from 'drizzle-orm';
import { apiTokens, principals, roles } from '../schema/identity.ts';
import type { TenantTransaction } from '../transactions.ts';

export type ApiTokenRow = typeof apiTokens.$inferSelect;

/** An API token with the name of its role. */
export interface ApiTokenWithRole {
  readonly token: ApiTokenRow;
  readonly roleName: string;
}

export interface NewApiToken {
  readonly name: string;
  readonly description: string;
  readonly roleId: string;
  readonly tokenHash: string;
  readonly expiresAt: Temporal.Instant | null;
}

/** Saves a token together with the principal that it acts as. */
export async function insertApiToken(
  tx: TenantTransaction,
  now: Temporal.Instant,
  token: NewApiToken,
): Promise<ApiTokenRow> {
  const principalId = newId<PrincipalId>();
  const { organizationId } = tx;
  await tx.db.insert(principals).values({
    id: principalId,
    kind: 'token',
    name: token.name,
    organizationId,
    createdAt: now,
  });
  const [row] = await tx.db
    .insert(apiTokens)
    .values({
      ...token,
      id: newId<ApiTokenId>(),
      organizationId,
      principalId,
      createdBy: tx.context.actor.principalId,
      createdAt: now,
      updatedAt: now,
    })
    .returning();
  if (row === undefined) throw new Fault('internal', 'The API token was not saved');
  return row;
}

/** Tokens that are not revoked, newest first. */
export async function listApiTokens(
  tx: TenantTransaction,
  filter: { readonly name?: string; readonly creatorName?: string },
  limit: number,
): Promise<readonly ApiTokenWithRole[]> {
  const creators = aliasedTable(principals, 'creators');
  const conditions: SQL[] = [];
  if (filter.name !== undefined) conditions.push(eq(apiTokens.name, filter.name));
  if (filter.creatorName !== undefined) conditions.push(eq(creators.name, filter.creatorName));
  return await tx.db
    .select({ token: apiTokens, roleName: roles.name })
    .from(apiTokens)
    .innerJoin(roles, eq(roles.id, apiTokens.roleId))
    .leftJoin(creators, eq(creators.id, apiTokens.createdBy))
    .where(
      and(
        eq(apiTokens.organizationId, tx.organizationId),
        isNull(apiTokens.revokedAt),
        ...conditions,
      ),
    )
    .orderBy(desc(apiTokens.id))
    .limit(limit);
}

/** From its commit on the token opens nothing. @throws Fault `not_found` */
export async function revokeApiToken(
  tx: TenantTransaction,
  now: Temporal.Instant,
  id: ApiTokenId,
): Promise<void> {
  const revoked = await tx.db
    .update(apiTokens)
    .set({ revokedAt: now, updatedAt: now })
    .where(
      and(
        eq(apiTokens.organizationId, tx.organizationId),
        eq(apiTokens.id, id),
        isNull(apiTokens.revokedAt),
      ),
    )
    .returning({ id: apiTokens.id });
  if (revoked.length === 0) throw new Fault('not_found', 'There is no such API token');
}
