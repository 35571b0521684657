import type { ClusterId, EngineId, EnvironmentId } from '@pilotfish/kernel';
import { and, eq, inArray, isNull, lt, sql } from 'drizzle-orm';
import { environments } from '../schema/environments.ts';
import { clusters, engines } from '../schema/fleet.ts';
import { controlPlane } from '../schema/identity.ts';
import type { SystemTransaction } from '../transactions.ts';
import type { EngineRow } from './fleet.ts';

/** The epoch becomes at least this; it never goes down. Answers what it is now. */
export async function raiseEpoch(
  tx: SystemTransaction<'worker'>,
  atLeast: number,
): Promise<number> {
  const [row] = await tx.db
    .update(controlPlane)
    .set({ epoch: sql`greatest(${controlPlane.epoch}, ${atLeast})` })
    .returning({ epoch: controlPlane.epoch });
  return row?.epoch ?? 0;
}

/**
 * Generations of a cluster's environments become at least these, so that the next request is above
 * what an engine has seen. Environments that are not known here are left out.
 *
 * @returns those that were behind
 */
export async function raiseGenerations(
  tx: SystemTransaction<'worker'>,
  clusterId: ClusterId,
  seen: readonly { readonly environmentId: EnvironmentId; readonly generation: number }[],
): Promise<readonly EnvironmentId[]> {
  if (seen.length === 0) return [];
  const behind: EnvironmentId[] = [];
  // In order of the id, like every lock on several environments.
  const sorted = [...seen].sort((a, b) => (a.environmentId < b.environmentId ? -1 : 1));
  const known = await tx.db
    .select({ id: environments.id, generation: environments.generation })
    .from(environments)
    .where(
      and(
        eq(environments.clusterId, clusterId),
        inArray(
          environments.id,
          sorted.map((one) => one.environmentId),
        ),
      ),
    );
  const stored = new Map(known.map((row) => [row.id, row.generation]));
  for (const { environmentId, generation } of sorted) {
    if ((stored.get(environmentId) ?? generation) >= generation) continue;
    const rows = await tx.db
      .update(environments)
      .set({ generation })
      .where(and(eq(environments.id, environmentId), lt(environments.generation, generation)))
      .returning({ id: environments.id });
    behind.push(...rows.map((row) => row.id));
  }
  return behind;
}

/**
 * For a restored database that cannot know how far it is behind: every environment of the cluster
 * moves on by more than can have happened since the backup.
 */
export async function leapGenerations(
  tx: SystemTransaction<'worker'>,
  clusterId: ClusterId,
  by: number,
): Promise<void> {
  await tx.db
    .update(environments)
    .set({ generation: sql`${environments.generation} + ${by}` })
    .where(and(eq(environments.clusterId, clusterId), isNull(environments.deletedAt)));
}

/** The engine with its cluster's present lease, revoked or not; null for an unknown pair. */
export async function findEngineOfCluster(
  tx: SystemTransaction<'worker'>,
  clusterId: ClusterId,
  engineId: EngineId,
): Promise<{ readonly engine: EngineRow; readonly clusterLease: number } | null> {
  const [row] = await tx.db
    .select({ engine: engines, clusterLease: clusters.lease })
    .from(engines)
    .innerJoin(clusters, eq(clusters.id, engines.clusterId))
    .where(and(eq(engines.id, engineId), eq(engines.clusterId, clusterId)));
  return row ?? null;
}

/** What an engine said of itself. */
export async function saveEngineReport(
  tx: SystemTransaction<'worker'>,
  engineId: EngineId,
  report: Partial<typeof engines.$inferInsert>,
): Promise<void> {
  await tx.db.update(engines).set(report).where(eq(engines.id, engineId));
}

/** Ids of all clusters. */
export async function listClusterIds(
  tx: SystemTransaction<'worker'>,
): Promise<readonly ClusterId[]> {
  const rows = await tx.db.select({ id: clusters.id }).from(clusters);
  return rows.map((row) => row.id);
}
