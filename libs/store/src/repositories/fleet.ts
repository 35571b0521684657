import { randomUUIDv7 } from 'node:crypto';
import { type ClusterId, Fault } from '@pilotfish/kernel';
import { and, eq, isNotNull, isNull, ne, type SQL, sql } from 'drizzle-orm';
import type { PgColumn } from 'drizzle-orm/pg-core';
import { environments } from '../schema/environments.ts';
import { clusters, engines } from '../schema/fleet.ts';
import { controlPlane } from '../schema/identity.ts';
import type { SystemTransaction, TenantTransaction } from '../transactions.ts';

export type ClusterRow = typeof clusters.$inferSelect;
export type EngineRow = typeof engines.$inferSelect;

/** @throws Fault `not_found` where it is not the tenant's */
export async function getCluster(tx: TenantTransaction, clusterId: ClusterId): Promise<ClusterRow> {
  const [row] = await tx.db
    .select()
    .from(clusters)
    .where(and(eq(clusters.organizationId, tx.organizationId), eq(clusters.id, clusterId)));
  if (row === undefined) throw new Fault('not_found', 'There is no such cluster');
  return row;
}

/** The engine that holds the cluster's lease; null where none is enrolled. */
export async function currentEngine(
  tx: TenantTransaction,
  clusterId: ClusterId,
): Promise<EngineRow | null> {
  const [row] = await tx.db
    .select({ engine: engines })
    .from(engines)
    .innerJoin(clusters, and(eq(clusters.id, engines.clusterId), eq(clusters.lease, engines.lease)))
    .where(
      and(
        eq(engines.organizationId, tx.organizationId),
        eq(engines.clusterId, clusterId),
        isNull(engines.revokedAt),
      ),
    );
  return row?.engine ?? null;
}

/** The control plane's epoch; 0 before `core-api migrate` ran for the first time. */
export async function readEpoch(
  tx: SystemTransaction<'worker'> | TenantTransaction,
): Promise<number> {
  const [row] = await tx.db.select({ epoch: controlPlane.epoch }).from(controlPlane);
  return row?.epoch ?? 0;
}

/**
 * Makes the one row that says which control plane this database is, and notices when the database
 * is a restored dump. Engines have seen more than it remembers then, how much nobody knows here; so
 * epoch and generations leap to the seconds of now, which is above everything that was ever sent,
 * by an earlier restore of the same dump as well. To be called before anything is sent.
 *
 * The place is the server and the table's own number in it: a dump that is restored makes a new
 * table, while a copied data folder keeps both. Of the latter, engines tell by their hello.
 */
export async function ensureControlPlane(
  tx: SystemTransaction<'worker'>,
  now: Temporal.Instant,
): Promise<'made' | 'known' | 'restored'> {
  const [made] = await tx.db
    .insert(controlPlane)
    .values({ id: 1, instanceId: randomUUIDv7(), epoch: 1, createdAt: now, place })
    .onConflictDoNothing()
    .returning({ id: controlPlane.id });
  if (made !== undefined) return 'made';
  const seconds = Math.floor(now.epochMilliseconds / 1000);
  const [restored] = await tx.db
    .update(controlPlane)
    .set({ place, epoch: leap(controlPlane.epoch, seconds) })
    .where(and(isNotNull(controlPlane.place), ne(controlPlane.place, place)))
    .returning({ epoch: controlPlane.epoch });
  if (restored === undefined) {
    await tx.db.update(controlPlane).set({ place }).where(isNull(controlPlane.place));
    return 'known';
  }
  await tx.db
    .update(environments)
    .set({ generation: leap(environments.generation, seconds) })
    .where(isNull(environments.deletedAt));
  return 'restored';
}

const place = sql<string>`(select system_identifier || '/' || 'control_plane'::regclass::oid from pg_control_system())`;

function leap(counter: PgColumn, seconds: number): SQL {
  return sql`greatest(${counter} + 1, ${seconds})`;
}
