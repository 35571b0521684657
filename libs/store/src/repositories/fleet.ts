import { randomUUIDv7 } from 'node:crypto';
import { type ClusterId, Fault } from '@pilotfish/kernel';
import { and, eq, isNull } from 'drizzle-orm';
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

/** Makes the one row that says which control plane this database is; true where it was missing. */
export async function ensureControlPlane(
  tx: SystemTransaction<'worker'>,
  now: Temporal.Instant,
): Promise<boolean> {
  const rows = await tx.db
    .insert(controlPlane)
    .values({ id: 1, instanceId: randomUUIDv7(), epoch: 1, createdAt: now })
    .onConflictDoNothing()
    .returning({ id: controlPlane.id });
  return rows.length > 0;
}
