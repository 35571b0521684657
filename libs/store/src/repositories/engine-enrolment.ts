import { randomUUIDv7 } from 'node:crypto';
import {
  type ClusterId,
  type EngineId,
  Fault,
  newId,
  type OrganizationId,
  type PrincipalId,
} from '@pilotfish/kernel';
import { and, desc, eq, isNotNull, isNull, sql } from 'drizzle-orm';
import { clusters, engineJoinTokens, engines } from '../schema/fleet.ts';
import { principals } from '../schema/identity.ts';
import type { SystemTransaction, TenantTransaction } from '../transactions.ts';
import type { ClusterRow, EngineRow } from './fleet.ts';

export type EngineJoinTokenRow = typeof engineJoinTokens.$inferSelect;

export async function insertJoinToken(
  tx: TenantTransaction,
  now: Temporal.Instant,
  token: { readonly clusterId: ClusterId; readonly tokenHash: string; expiresAt: Temporal.Instant },
): Promise<EngineJoinTokenRow> {
  const [row] = await tx.db
    .insert(engineJoinTokens)
    .values({
      ...token,
      id: randomUUIDv7(),
      organizationId: tx.organizationId,
      createdBy: tx.context.actor.principalId,
      createdAt: now,
    })
    .returning();
  if (row === undefined) throw new Fault('internal', 'The join token was not saved');
  return row;
}

/** Newest first, revoked ones included. */
export async function listEngines(
  tx: TenantTransaction,
  clusterId: ClusterId,
  limit: number,
): Promise<readonly EngineRow[]> {
  return await tx.db
    .select()
    .from(engines)
    .where(and(eq(engines.organizationId, tx.organizationId), eq(engines.clusterId, clusterId)))
    .orderBy(desc(engines.id))
    .limit(limit);
}

/**
 * Revokes an engine and raises its cluster's lease, so that nothing it still sends is accepted.
 *
 * @throws Fault `not_found` where it is not the tenant's, or revoked already
 */
export async function revokeEngine(
  tx: TenantTransaction,
  now: Temporal.Instant,
  id: EngineId,
): Promise<EngineRow> {
  const [row] = await tx.db
    .update(engines)
    .set({ revokedAt: now })
    .where(
      and(
        eq(engines.organizationId, tx.organizationId),
        eq(engines.id, id),
        isNull(engines.revokedAt),
      ),
    )
    .returning();
  if (row === undefined) throw new Fault('not_found', 'There is no such engine');
  await tx.db
    .update(clusters)
    .set({ lease: sql`${clusters.lease} + 1`, updatedAt: now })
    .where(
      and(
        eq(clusters.organizationId, tx.organizationId),
        eq(clusters.id, row.clusterId),
        // An engine that lost the lease before has nothing left to take away.
        eq(clusters.lease, row.lease),
      ),
    );
  return row;
}

/** Who may never connect again, of all organizations: what NATS is told. */
export async function listRevokedEngines(
  tx: SystemTransaction<'authenticator'>,
): Promise<readonly { readonly publicKey: string; readonly at: Temporal.Instant }[]> {
  const rows = await tx.db
    .select({ publicKey: engines.identityPublicKey, at: engines.revokedAt })
    .from(engines)
    .where(isNotNull(engines.revokedAt));
  return rows.flatMap(({ publicKey, at }) => (at === null ? [] : [{ publicKey, at }]));
}

/** The engine of an id, revoked or not. */
export async function findEngine(
  tx: SystemTransaction<'authenticator'>,
  id: EngineId,
): Promise<EngineRow | null> {
  const [row] = await tx.db.select().from(engines).where(eq(engines.id, id));
  return row ?? null;
}

/** A join token and its cluster, both locked until the transaction ends. */
export async function lockJoinToken(
  tx: SystemTransaction<'worker'>,
  tokenHash: string,
): Promise<{ readonly token: EngineJoinTokenRow; readonly cluster: ClusterRow } | null> {
  const [row] = await tx.db
    .select({ token: engineJoinTokens, cluster: clusters })
    .from(engineJoinTokens)
    .innerJoin(clusters, eq(clusters.id, engineJoinTokens.clusterId))
    .where(eq(engineJoinTokens.tokenHash, tokenHash))
    .for('update');
  return row ?? null;
}

/** The cluster's engines that are not revoked. */
export async function listActiveEngines(
  tx: SystemTransaction<'worker'>,
  clusterId: ClusterId,
): Promise<readonly EngineRow[]> {
  return await tx.db
    .select()
    .from(engines)
    .where(and(eq(engines.clusterId, clusterId), isNull(engines.revokedAt)));
}

export interface NewEngine {
  readonly organizationId: OrganizationId;
  readonly cluster: ClusterRow;
  readonly joinTokenId: string;
  readonly identityPublicKey: string;
  readonly sealingPublicKey: string;
}

/** Uses up a join token: saves the engine with its principal and gives it the cluster's lease. */
export async function insertEngine(
  tx: SystemTransaction<'worker'>,
  now: Temporal.Instant,
  engine: NewEngine,
): Promise<EngineRow> {
  const { organizationId, cluster } = engine;
  const principalId = newId<PrincipalId>();
  const lease = cluster.lease + 1;
  const name = `engine of ${cluster.name}`;
  await tx.db
    .insert(principals)
    .values({ id: principalId, kind: 'engine', name, organizationId, createdAt: now });
  await tx.db.update(clusters).set({ lease, updatedAt: now }).where(eq(clusters.id, cluster.id));
  const [row] = await tx.db
    .insert(engines)
    .values({
      id: newId<EngineId>(),
      organizationId,
      clusterId: cluster.id,
      principalId,
      identityPublicKey: engine.identityPublicKey,
      sealingPublicKey: engine.sealingPublicKey,
      lease,
      enrolledAt: now,
    })
    .returning();
  if (row === undefined) throw new Fault('internal', 'The engine was not saved');
  await tx.db
    .update(engineJoinTokens)
    .set({ usedAt: now, engineId: row.id })
    .where(eq(engineJoinTokens.id, engine.joinTokenId));
  return row;
}
