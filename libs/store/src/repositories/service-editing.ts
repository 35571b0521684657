import { type EnvironmentId, Fault, newId, type ServiceId } from '@pilotfish/kernel';
import { and, asc, desc, eq, inArray, isNull, sql } from 'drizzle-orm';
import { releases, services } from '../schema/environments.ts';
import type { TenantTransaction } from '../transactions.ts';
import type { ServiceRow } from './environments.ts';
import type { ReleaseRow } from './releases.ts';

const alive = (tx: TenantTransaction) =>
  and(eq(services.organizationId, tx.organizationId), isNull(services.deletedAt));

/** Oldest first. */
export async function listServices(
  tx: TenantTransaction,
  environmentId: EnvironmentId,
  limit: number,
): Promise<readonly ServiceRow[]> {
  return await tx.db
    .select()
    .from(services)
    .where(and(alive(tx), eq(services.environmentId, environmentId)))
    .orderBy(asc(services.id))
    .limit(limit);
}

export async function countServices(
  tx: TenantTransaction,
  environmentId: EnvironmentId,
): Promise<number> {
  return await tx.db.$count(services, and(alive(tx), eq(services.environmentId, environmentId)));
}

export type NewService = Pick<
  ServiceRow,
  | 'id'
  | 'environmentId'
  | 'stageId'
  | 'kind'
  | 'name'
  | 'description'
  | 'spec'
  | 'repositoryKey'
  | 'branch'
  | 'autoDeploy'
  | 'gitTokenId'
  | 'host'
> &
  Partial<Pick<ServiceRow, 'iconUri'>>;

/** An id for a service that is to be saved: its host name is made from it. */
export function newServiceId(): ServiceId {
  return newId<ServiceId>();
}

export async function insertService(
  tx: TenantTransaction,
  now: Temporal.Instant,
  service: NewService,
): Promise<ServiceRow> {
  const [row] = await tx.db
    .insert(services)
    .values({ ...service, organizationId: tx.organizationId, createdAt: now, updatedAt: now })
    .returning();
  if (row === undefined) throw new Fault('internal', 'The service was not saved');
  return row;
}

type ServiceChange = Partial<
  Pick<
    ServiceRow,
    | 'name'
    | 'description'
    | 'iconUri'
    | 'spec'
    | 'repositoryKey'
    | 'branch'
    | 'autoDeploy'
    | 'gitTokenId'
    | 'outOfDate'
    | 'deletedAt'
  >
>;

/** @throws Fault `not_found`, or `stale` where somebody changed it since `version` was read */
export async function updateService(
  tx: TenantTransaction,
  now: Temporal.Instant,
  service: Pick<ServiceRow, 'id' | 'version'>,
  change: ServiceChange,
): Promise<ServiceRow> {
  const [row] = await tx.db
    .update(services)
    .set({ ...change, updatedAt: now, version: sql`${services.version} + 1` })
    .where(and(alive(tx), eq(services.id, service.id), eq(services.version, service.version)))
    .returning();
  if (row === undefined) {
    throw new Fault('stale', 'Somebody else changed the service at the same time: try again');
  }
  return row;
}

/** A service's releases, newest first. */
export async function listReleases(
  tx: TenantTransaction,
  serviceId: ServiceId,
  limit: number,
): Promise<readonly ReleaseRow[]> {
  return await tx.db
    .select()
    .from(releases)
    .where(and(eq(releases.organizationId, tx.organizationId), eq(releases.serviceId, serviceId)))
    .orderBy(desc(releases.number))
    .limit(limit);
}

/** Releases by id, of any services of the tenant. */
export async function findReleases(
  tx: TenantTransaction,
  ids: readonly ReleaseRow['id'][],
): Promise<readonly ReleaseRow[]> {
  if (ids.length === 0) return [];
  return await tx.db
    .select()
    .from(releases)
    .where(and(eq(releases.organizationId, tx.organizationId), inArray(releases.id, [...ids])));
}
