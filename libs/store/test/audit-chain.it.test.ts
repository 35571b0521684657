import { newId, type OrganizationId, type PrincipalId, systemClock } from '@pilotfish/kernel';
import { testDatabase } from '@pilotfish/testing';
import { expect, test } from 'vitest';
import {
  appendAudit,
  chainAudit,
  type TenantContext,
  tables,
  verifyAuditChain,
} from '../src/index.ts';

async function chained() {
  const { store, sql } = await testDatabase();
  const now = systemClock.now();
  const organizationId = newId<OrganizationId>();
  const actor = { principalId: newId<PrincipalId>(), kind: 'system', name: 'test' } as const;
  const context: TenantContext = { organizationId, actor };
  await store.system('worker', async (tx) => {
    await tx.db
      .insert(tables.organizations)
      .values({ id: organizationId, name: 'acme', createdAt: now, updatedAt: now });
  });
  await store.tenant(context, async (tx) => {
    for (const [index, action] of [
      'project.created',
      'project.edited',
      'project.deleted',
    ].entries()) {
      const detail = { index, nested: { b: 1, a: [2, { d: 3, c: 4 }] } };
      await appendAudit(tx, now, { action, targetKind: 'project', targetId: 'x', detail });
    }
  });
  const chain = () => store.system('worker', async (tx) => chainAudit(await tx.asTenant(context)));
  return { sql, organizationId, chain, verify: () => store.tenant(context, verifyAuditChain) };
}

test('audit events are chained once, and a chain that nobody touched is whole', async () => {
  const { chain, verify } = await chained();
  expect(await chain()).toBe(3);
  expect(await chain()).toBe(0);
  expect(await verify()).toBeNull();
});

test('an event that was changed afterwards is found at its place', async () => {
  const { sql, organizationId, chain, verify } = await chained();
  await chain();
  await sql`update audit_events set actor_name = 'somebody else'
    where organization_id = ${organizationId} and position = 2`;
  expect(await verify()).toBe(2);
});

test('an event that was removed afterwards is missed, the last one too', async () => {
  const { sql, organizationId, chain, verify } = await chained();
  await chain();
  await sql`delete from audit_events where organization_id = ${organizationId} and position = 3`;
  expect(await verify()).toBe(3);
});
