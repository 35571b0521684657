import {
  type ClusterId,
  type EnvironmentId,
  newId,
  type OrganizationId,
  type ProjectId,
  systemClock,
} from '@pilotfish/kernel';
import { type TestDatabase, testDatabase } from '@pilotfish/testing';
import { expect, test } from 'vitest';
import { ensureControlPlane, readEpoch, type Store, tables } from '../src/index.ts';

const now = systemClock.now();
const times = { createdAt: now, updatedAt: now };

function ensure(store: Store, at = now) {
  return store.system('worker', (tx) => ensureControlPlane(tx, at));
}

/** As after pg_restore: the same rows in a table made anew. */
async function restore({ sql }: TestDatabase): Promise<void> {
  await sql`create table restored (like control_plane including all)`;
  await sql`insert into restored select * from control_plane`;
  await sql`drop table control_plane`;
  await sql`alter table restored rename to control_plane`;
  await sql`grant select, insert, update on control_plane to pilotfish_worker`;
}

async function makeEnvironment({ sql, store }: TestDatabase, generation: number) {
  const organizationId = newId<OrganizationId>();
  const projectId = newId<ProjectId>();
  const clusterId = newId<ClusterId>();
  await store.system('worker', (tx) =>
    tx.db.insert(tables.organizations).values({ id: organizationId, name: 'acme', ...times }),
  );
  await sql`insert into projects (id, organization_id, name, created_at, updated_at)
    values (${projectId}, ${organizationId}, 'shop', now(), now())`;
  await sql`insert into clusters (id, organization_id, name, created_at, updated_at)
    values (${clusterId}, ${organizationId}, 'here', now(), now())`;
  await sql`insert into environments
    (id, organization_id, project_id, cluster_id, name, mode, generation, created_at, updated_at)
    values (${newId<EnvironmentId>()}, ${organizationId}, ${projectId}, ${clusterId}, 'production',
      'PRODUCTION', ${generation}, now(), now())`;
}

async function generationOf({ sql }: TestDatabase): Promise<number> {
  const [row] = await sql<{ generation: string }[]>`select generation from environments`;
  return Number(row?.generation);
}

test('a control plane that only restarts stays in its epoch', async () => {
  const database = await testDatabase();
  await makeEnvironment(database, 7);
  expect(await ensure(database.store)).toBe('made');
  expect(await ensure(database.store)).toBe('known');
  expect(await database.store.system('worker', readEpoch)).toBe(1);
  expect(await generationOf(database)).toBe(7);
});

test('one that was made before this was looked at is not taken for a restored one', async () => {
  const { store, sql } = await testDatabase();
  await ensure(store);
  await sql`update control_plane set place = null`;
  expect(await ensure(store)).toBe('known');
  expect(await ensure(store)).toBe('known');
  expect(await store.system('worker', readEpoch)).toBe(1);
});

test('a restored dump leaps above everything that was sent, by an earlier restore too', async () => {
  const database = await testDatabase();
  const { store } = database;
  await makeEnvironment(database, 7);
  await ensure(store);
  await restore(database);
  expect(await ensure(store)).toBe('restored');
  expect(await ensure(store)).toBe('known');
  const epoch = await store.system('worker', readEpoch);
  const generation = await generationOf(database);
  expect(epoch).toBeGreaterThan(1);
  expect(generation).toBeGreaterThan(7);

  // The old dump again, a minute later.
  await database.sql`update control_plane set epoch = 1, place = 'elsewhere/1'`;
  await database.sql`update environments set generation = 7`;
  expect(await ensure(store, now.add({ minutes: 1 }))).toBe('restored');
  expect(await store.system('worker', readEpoch)).toBeGreaterThan(epoch);
  expect(await generationOf(database)).toBeGreaterThan(generation);
});
