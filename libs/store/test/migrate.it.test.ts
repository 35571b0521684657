import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { newId, type OrganizationId, type PrincipalId, systemClock } from '@pilotfish/kernel';
import { testDatabase } from '@pilotfish/testing';
import postgres from 'postgres';
import { expect, onTestFinished, test } from 'vitest';
import { migrate, openInbox, openStore, type TenantContext, tables } from '../src/index.ts';
import { migrations } from '../src/migrations.ts';

/** An empty database on the test's server, owned by `owner` if one is named. */
async function emptyDatabase(owner?: { name: string; password: string }) {
  const { url, sql } = await testDatabase();
  const name = `empty_${randomBytes(6).toString('hex')}`;
  if (owner) await sql.unsafe(`create role ${owner.name} login password '${owner.password}'`);
  await sql.unsafe(`create database ${name} ${owner ? `owner ${owner.name}` : ''}`);
  const target = new URL(url);
  target.pathname = `/${name}`;
  if (owner) Object.assign(target, { username: owner.name, password: owner.password });
  onTestFinished(async () => {
    const admin = postgres(new URL('/postgres', url).href, { max: 1, onnotice: () => {} });
    await admin.unsafe(`drop database if exists ${name} with (force)`);
    if (owner) await admin.unsafe(`drop role ${owner.name}`);
    await admin.end();
  });
  return target.href;
}

test('the migrations that services carry are those of the folder', () => {
  const folder = new URL('../migrations/', import.meta.url);
  const files = readdirSync(folder).filter((name) => name.endsWith('.sql'));
  expect(migrations.map(({ name }) => `${name}.sql`)).toEqual(files.sort());
  for (const { name, sql } of migrations) {
    const text = readFileSync(new URL(`${name}.sql`, folder), 'utf8');
    expect(sql).toBe(text.replaceAll('--> statement-breakpoint\n', ''));
  }
});

test('every column of every table is one that the migrations make', async () => {
  const { sql } = await testDatabase();
  const columns = await sql`select table_name as t, column_name as c
    from information_schema.columns where table_schema = 'public'`;
  const made = new Set(columns.map(({ t, c }) => `${t}.${c}`));
  const { getTableConfig } = await import('drizzle-orm/pg-core');
  const known = Object.values(tables).flatMap((table) => {
    const { name, columns: own } = getTableConfig(table);
    return own.map((column) => `${name}.${column.name}`);
  });
  expect(known.filter((column) => !made.has(column))).toEqual([]);
  const tableNames = new Set(Object.values(tables).map((table) => getTableConfig(table).name));
  const unknown = [...made].filter((column) => {
    const [table = ''] = column.split('.');
    return tableNames.has(table) && !known.includes(column);
  });
  expect(unknown).toEqual([]);
});

test('two that migrate at the same time do it once', async () => {
  const url = await emptyDatabase();
  const outcomes = await Promise.all([migrate({ url }), migrate({ url })]);
  expect(outcomes.map(({ applied }) => applied.length).sort((a, b) => a - b)).toEqual([
    0,
    migrations.length,
  ]);
});

test('two installations on one server lay their roles at the same time', async () => {
  const urls = await Promise.all(Array.from({ length: 4 }, () => emptyDatabase()));
  const rolePrefix = `race_${randomBytes(4).toString('hex')}`;
  await Promise.all(urls.map((url) => migrate({ url, rolePrefix })));
  for (let round = 0; round < 5; round++) {
    const passwords = { api: randomBytes(16).toString('hex') };
    await Promise.all(urls.map((url) => migrate({ url, rolePrefix, passwords })));
  }
});

test('roles are laid beside services that lock the same tables in another order', async () => {
  const { url, sql } = await testDatabase();
  const service = postgres(url, { max: 1, onnotice: () => {} });
  onTestFinished(() => service.end());
  let migrating: Promise<unknown> = Promise.resolve();
  await service.begin(async (tx) => {
    // Of the two that wait for each other, the one that looks for it first is refused: not this one.
    await tx`set local deadlock_timeout = '1h'`;
    await tx`lock table delivery_queue in access share mode`;
    migrating = migrate({ url });
    for (let waits = false; !waits; ) {
      const rows = await sql`select from pg_stat_activity
        where application_name = 'pilotfish-migrate' and datname = current_database()
          and wait_event_type = 'Lock' and wait_event = 'relation'`;
      waits = rows.length > 0;
    }
    await tx`lock table organizations in access share mode`;
  });
  await expect(migrating).resolves.toMatchObject({ applied: [] });
});

test('a schema that is missing, older or newer is refused', async () => {
  const url = await emptyDatabase();
  await expect(openStore({ url, name: 'test' })).rejects.toMatchObject({
    code: 'unavailable',
    detail: expect.stringContaining('core-api migrate'),
  });
  await migrate({ url });
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  onTestFinished(() => sql.end());
  await sql`insert into schema_migrations (name, hash) values ('9999_from_the_future', 'x')`;
  await expect(openStore({ url, name: 'test' })).rejects.toMatchObject({ code: 'conflict' });
  await expect(migrate({ url })).rejects.toMatchObject({ code: 'conflict' });
});

test('a user who may not create roles is shared by all, and tenants stay apart', async () => {
  const owner = { name: `plain_${randomBytes(4).toString('hex')}`, password: 'secret' };
  const url = await emptyDatabase(owner);
  expect((await migrate({ url })).roles).toBe('shared_user');
  expect((await migrate({ url })).applied).toEqual([]);
  const store = await openStore({ url, name: 'test' });
  const inbox = await openInbox({ url, name: 'test' });
  onTestFinished(() => Promise.all([store.close(), inbox.close()]).then(() => {}));
  const now = systemClock.now();
  const [mine, theirs] = [newContext(), newContext()];
  for (const context of [mine, theirs]) {
    await store.tenant(context, ({ db, organizationId: id }) =>
      db.insert(tables.organizations).values({ id, name: 'x', createdAt: now, updatedAt: now }),
    );
  }
  expect(await store.tenant(mine, ({ db }) => db.select().from(tables.organizations))).toHaveLength(
    1,
  );
  expect(
    await store.system('worker', ({ db }) => db.select().from(tables.organizations)),
  ).toHaveLength(2);
  const [stored] = await inbox.append([
    {
      incomingWebhookId: newId(),
      organizationId: mine.organizationId,
      providerDeliveryId: '1',
      event: 'push',
      receivedAt: now,
      headers: {},
      body: new Uint8Array(),
    },
  ]);
  expect(stored?.isNew).toBe(true);
});

function newContext(): TenantContext {
  const actor = { principalId: newId<PrincipalId>(), kind: 'system', name: 'test' } as const;
  return { organizationId: newId<OrganizationId>(), actor };
}
