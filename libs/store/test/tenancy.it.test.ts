import {
  type ClusterId,
  newId,
  type OrganizationId,
  type PrincipalId,
  type ProjectId,
  systemClock,
} from '@pilotfish/kernel';
import { testDatabase } from '@pilotfish/testing';
import { expect, test } from 'vitest';
import { type Store, type TenantContext, tables } from '../src/index.ts';

const now = systemClock.now();

async function newOrganization(store: Store): Promise<TenantContext> {
  const organizationId = newId<OrganizationId>();
  await store.system('worker', async (tx) => {
    await tx.db
      .insert(tables.organizations)
      .values({ id: organizationId, name: 'acme', createdAt: now, updatedAt: now });
  });
  const actor = { principalId: newId<PrincipalId>(), kind: 'system', name: 'test' } as const;
  return { organizationId, actor };
}

test('every table with an organization has row-level security, forced', async () => {
  const { sql } = await testDatabase();
  await sql`select pilotfish_ensure_partitions(current_date, current_date + 1)`;
  const open = await sql`
    select c.relname from pg_class c
    join pg_attribute a on a.attrelid = c.oid and a.attname = 'organization_id'
    where c.relkind in ('r', 'p') and c.relnamespace = 'public'::regnamespace
      and not (c.relrowsecurity and c.relforcerowsecurity)`;
  expect(open).toEqual([]);
  const [organizations] = await sql`
    select relrowsecurity and relforcerowsecurity as closed from pg_class where relname = 'organizations'`;
  expect(organizations?.closed).toBe(true);
});

test('a query that forgot its where sees the rows of its own tenant only', async () => {
  const { store } = await testDatabase();
  const [mine, theirs] = [await newOrganization(store), await newOrganization(store)];
  for (const context of [mine, theirs]) {
    await store.tenant(context, async (tx) => {
      await tx.db.insert(tables.projects).values({
        id: newId<ProjectId>(),
        organizationId: tx.organizationId,
        name: 'shop',
        createdAt: now,
        updatedAt: now,
      });
    });
  }
  const rows = await store.tenant(mine, (tx) => tx.db.select().from(tables.projects));
  expect(rows.map((row) => row.organizationId)).toEqual([mine.organizationId]);
  const changed = await store.tenant(mine, (tx) =>
    tx.db.update(tables.projects).set({ name: 'changed' }).returning(),
  );
  expect(changed).toHaveLength(1);
});

test('a tenant cannot write a row of another', async () => {
  const { store } = await testDatabase();
  const [mine, theirs] = [await newOrganization(store), await newOrganization(store)];
  const write = store.tenant(mine, (tx) =>
    tx.db.insert(tables.clusters).values({
      id: newId<ClusterId>(),
      organizationId: theirs.organizationId,
      name: 'x',
      createdAt: now,
      updatedAt: now,
    }),
  );
  await expect(write).rejects.toMatchObject({ code: 'internal' });
});

test('the webhook gateway can store deliveries and read none of their bodies', async () => {
  const { store } = await testDatabase();
  const read = store.system('webhook_gateway', (tx) =>
    tx.db.select().from(tables.deliveryPayloads),
  );
  await expect(read).rejects.toMatchObject({
    internal: expect.stringContaining('permission denied'),
  });
});

test('a transaction that says nothing of a tenant sees no tenant', async () => {
  const { store, url, openStore } = await testDatabase();
  await newOrganization(store);
  expect(url).toContain('127.0.0.1');
  const other = await openStore();
  const nobody = {
    organizationId: newId<OrganizationId>(),
    actor: { principalId: newId<PrincipalId>(), kind: 'system', name: 'x' },
  } as const;
  expect(await other.tenant(nobody, (tx) => tx.db.select().from(tables.organizations))).toEqual([]);
});
