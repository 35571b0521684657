import { Fault, type GitTokenId } from '@pilotfish/kernel';
import { and, asc, eq, inArray, isNotNull, isNull, sql } from 'drizzle-orm';
import { environments, projects, services } from '../schema/environments.ts';
import { gitTokens } from '../schema/git-tokens.ts';
import type { TenantTransaction } from '../transactions.ts';
import type { ServiceRow } from './environments.ts';

export type GitTokenRow = typeof gitTokens.$inferSelect;

/** A Git token and how many services use it. */
export interface GitTokenWithCount {
  readonly token: GitTokenRow;
  readonly serviceCount: number;
}

export type NewGitToken = Pick<
  GitTokenRow,
  'id' | 'name' | 'description' | 'type' | 'apiUrl' | 'workspace' | 'tokenCiphertext'
>;

// By name: of a single table the query builder writes columns without it, and both have an `id`.
const serviceCount = sql<number>`(select count(*)::int from services s
  where s.git_token_id = git_tokens.id and s.deleted_at is null)`;

export async function insertGitToken(
  tx: TenantTransaction,
  now: Temporal.Instant,
  token: NewGitToken,
): Promise<GitTokenRow> {
  const [row] = await tx.db
    .insert(gitTokens)
    .values({
      ...token,
      organizationId: tx.organizationId,
      createdBy: tx.context.actor.principalId,
      createdAt: now,
      updatedAt: now,
    })
    .returning();
  if (row === undefined) throw new Fault('internal', 'The Git token was not saved');
  return row;
}

/** Oldest first. */
export async function listGitTokens(
  tx: TenantTransaction,
  limit: number,
): Promise<readonly GitTokenWithCount[]> {
  return await tx.db
    .select({ token: gitTokens, serviceCount })
    .from(gitTokens)
    .where(eq(gitTokens.organizationId, tx.organizationId))
    .orderBy(asc(gitTokens.id))
    .limit(limit);
}

export async function countGitTokens(tx: TenantTransaction): Promise<number> {
  return await tx.db.$count(gitTokens, eq(gitTokens.organizationId, tx.organizationId));
}

/** Null where it is not the tenant's, or deleted. */
export async function findGitToken(
  tx: TenantTransaction,
  id: GitTokenId,
): Promise<GitTokenWithCount | null> {
  const [row] = await tx.db
    .select({ token: gitTokens, serviceCount })
    .from(gitTokens)
    .where(and(eq(gitTokens.organizationId, tx.organizationId), eq(gitTokens.id, id)));
  return row ?? null;
}

/** Names by id, of those that exist. */
export async function listGitTokenNames(
  tx: TenantTransaction,
  ids: readonly GitTokenId[],
): Promise<ReadonlyMap<GitTokenId, string>> {
  if (ids.length === 0) return new Map();
  const rows = await tx.db
    .select({ id: gitTokens.id, name: gitTokens.name })
    .from(gitTokens)
    .where(and(eq(gitTokens.organizationId, tx.organizationId), inArray(gitTokens.id, [...ids])));
  return new Map(rows.map(({ id, name }) => [id, name]));
}

/**
 * Locked until the transaction ends. `share` is what a service that begins to use it takes, so that
 * the token is not deleted meanwhile; several may.
 *
 * @throws Fault `not_found` where it is not the tenant's, or deleted
 */
export async function lockGitToken(
  tx: TenantTransaction,
  id: GitTokenId,
  strength: 'update' | 'share',
): Promise<GitTokenRow> {
  const [row] = await tx.db
    .select()
    .from(gitTokens)
    .where(and(eq(gitTokens.organizationId, tx.organizationId), eq(gitTokens.id, id)))
    .for(strength);
  if (row === undefined) throw new Fault('not_found', 'There is no such Git token');
  return row;
}

/** The provider asked not to be called with the token before `until`. */
export async function pauseGitToken(
  tx: TenantTransaction,
  id: GitTokenId,
  until: Temporal.Instant,
): Promise<void> {
  await tx.db
    .update(gitTokens)
    .set({ pausedUntil: until })
    .where(and(eq(gitTokens.organizationId, tx.organizationId), eq(gitTokens.id, id)));
}

type GitTokenChange = Omit<NewGitToken, 'id'> & Pick<GitTokenRow, 'tokenVersion'>;

/** Replaces a locked token. What the provider asked of the old text is no word about the new one. */
export async function updateGitToken(
  tx: TenantTransaction,
  now: Temporal.Instant,
  id: GitTokenId,
  change: GitTokenChange,
): Promise<GitTokenRow> {
  const [row] = await tx.db
    .update(gitTokens)
    .set({
      ...change,
      pausedUntil: null,
      updatedAt: now,
      version: sql`${gitTokens.version} + 1`,
    })
    .where(and(eq(gitTokens.organizationId, tx.organizationId), eq(gitTokens.id, id)))
    .returning();
  if (row === undefined) throw new Fault('not_found', 'There is no such Git token');
  return row;
}

/** Removes a locked token that no living service uses, with its ciphertext. */
export async function deleteGitToken(tx: TenantTransaction, id: GitTokenId): Promise<void> {
  // Deleted services stay as rows, for the history; they have nothing to read any more.
  await tx.db
    .update(services)
    .set({ gitTokenId: null })
    .where(
      and(
        eq(services.organizationId, tx.organizationId),
        eq(services.gitTokenId, id),
        isNotNull(services.deletedAt),
      ),
    );
  await tx.db
    .delete(gitTokens)
    .where(and(eq(gitTokens.organizationId, tx.organizationId), eq(gitTokens.id, id)));
}

/** A service with the names of what it belongs to. */
export interface AssociatedService {
  readonly service: ServiceRow;
  readonly environment: { readonly id: string; readonly name: string };
  readonly project: { readonly id: string; readonly name: string };
}

/** Living services that use a Git token, oldest first. */
export async function listServicesOfGitToken(
  tx: TenantTransaction,
  id: GitTokenId,
  limit: number,
): Promise<readonly AssociatedService[]> {
  return await tx.db
    .select({
      service: services,
      environment: { id: environments.id, name: environments.name },
      project: { id: projects.id, name: projects.name },
    })
    .from(services)
    .innerJoin(environments, eq(environments.id, services.environmentId))
    .innerJoin(projects, eq(projects.id, environments.projectId))
    .where(
      and(
        eq(services.organizationId, tx.organizationId),
        eq(services.gitTokenId, id),
        isNull(services.deletedAt),
      ),
    )
    .orderBy(asc(services.id))
    .limit(limit);
}
