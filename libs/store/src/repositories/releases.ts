import { Fault, type ReleaseId, type ServiceId } from '@pilotfish/kernel';
import { and, desc, eq, inArray, sql } from 'drizzle-orm';
import { releases } from '../schema/environments.ts';
import type { TenantTransaction } from '../transactions.ts';

export type ReleaseRow = typeof releases.$inferSelect;

/** Saves a release under the service's next number. The environment must be locked. */
export async function insertRelease(
  tx: TenantTransaction,
  release: Omit<typeof releases.$inferInsert, 'number' | 'organizationId'>,
): Promise<ReleaseRow> {
  const next = sql<number>`(select coalesce(max(number), 0) + 1 from releases where service_id = ${release.serviceId})`;
  const [row] = await tx.db
    .insert(releases)
    .values({ ...release, organizationId: tx.organizationId, number: next })
    .returning();
  if (row === undefined) throw new Fault('internal', 'The release was not saved');
  return row;
}

/** @throws Fault `not_found` where the service has no such release */
export async function getRelease(
  tx: TenantTransaction,
  serviceId: ServiceId,
  releaseId: ReleaseId,
): Promise<ReleaseRow> {
  const [row] = await tx.db
    .select()
    .from(releases)
    .where(
      and(
        eq(releases.organizationId, tx.organizationId),
        eq(releases.serviceId, serviceId),
        eq(releases.id, releaseId),
      ),
    );
  if (row === undefined) throw new Fault('not_found', 'The service has no such release');
  return row;
}

/** The newest release of this commit that was ever made for the service; null: none was. */
export async function findReleaseOfCommit(
  tx: TenantTransaction,
  serviceId: ServiceId,
  commitSha: string,
): Promise<ReleaseRow | null> {
  const [row] = await tx.db
    .select()
    .from(releases)
    .where(
      and(
        eq(releases.organizationId, tx.organizationId),
        eq(releases.serviceId, serviceId),
        eq(releases.commitSha, commitSha),
      ),
    )
    .orderBy(desc(releases.number))
    .limit(1);
  return row ?? null;
}

/** Releases that will not run any more: those among `ids` that are still pending. */
export async function endPendingReleases(
  tx: TenantTransaction,
  ids: readonly ReleaseId[],
  status: 'CANCELED' | 'FAILED',
): Promise<void> {
  if (ids.length === 0) return;
  await tx.db
    .update(releases)
    .set({ status })
    .where(
      and(
        eq(releases.organizationId, tx.organizationId),
        inArray(releases.id, [...ids]),
        eq(releases.status, 'PENDING'),
      ),
    );
}

/** The release serves from now on; the one before retires. */
export async function activateRelease(
  tx: TenantTransaction,
  serviceId: ServiceId,
  releaseId: ReleaseId,
  at: Temporal.Instant,
): Promise<void> {
  const ofService = and(
    eq(releases.organizationId, tx.organizationId),
    eq(releases.serviceId, serviceId),
  );
  await tx.db
    .update(releases)
    .set({ status: 'RETIRED' })
    .where(and(ofService, eq(releases.status, 'ACTIVE')));
  await tx.db
    .update(releases)
    .set({ status: 'ACTIVE', activatedAt: at })
    .where(and(ofService, eq(releases.id, releaseId)));
}
