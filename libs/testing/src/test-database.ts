import { openStore, type Store } from '@pilotfish/store';
import postgres, { type Sql } from 'postgres';
import { inject, onTestFinished } from 'vitest';
import { servicePassword, templateDatabase } from './postgres-global-setup.ts';

/** A private, migrated database; gone when the test has finished. */
export interface TestDatabase {
  /** The superuser's URL. The store takes the services' roles by itself. */
  readonly url: string;
  /** As a service connects: with its own database role and nothing more. */
  urlOf(role: 'webhook_gateway' | 'websocket_gateway'): string;
  readonly store: Store;
  /** Bound by nothing: for looking at what a test did, and for what no service may do. */
  readonly sql: Sql;
  /** Another store, as a second replica would have it; closed with the test. */
  openStore(name?: string): Promise<Store>;
}

let made = 0;

/** One for all databases of a test file; gone with its process. */
let administrator: Sql | undefined;

function administer(server: URL): Sql {
  administrator ??= postgres(server.href, { max: 1, onnotice: () => {} });
  return administrator;
}

/** Call it inside a test (or its beforeEach), in the project `integration`. */
export async function testDatabase(): Promise<TestDatabase> {
  const server = new URL(inject('pilotfishPostgresUrl'));
  const name = `test_${process.pid}_${made++}`;
  const admin = administer(server);
  await clone(admin, name);
  const url = new URL(server);
  url.pathname = `/${name}`;
  const sql = postgres(url.href, {
    max: 2,
    onnotice: () => {},
    connection: { TimeZone: 'UTC' },
  });
  const stores: Store[] = [];
  const open = async (storeName = 'test') => {
    const store = await openStore({ url: url.href, name: storeName, max: 8 });
    stores.push(store);
    return store;
  };
  onTestFinished(async () => {
    await Promise.all([...stores.map((store) => store.close()), sql.end({ timeout: 1 })]);
    await admin.unsafe(`drop database if exists ${name} with (force)`);
  });
  const urlOf = (role: string) => {
    const own = new URL(url);
    Object.assign(own, { username: `pilotfish_${role}`, password: servicePassword });
    return own.href;
  };
  return { url: url.href, urlOf, store: await open(), sql, openStore: open };
}

/**
 * Postgres clones a template only while nobody else does: the one who comes second waits. As files,
 * which is quicker without fsync and brings along what a first connection would have to work out.
 */
async function clone(admin: Sql, name: string): Promise<void> {
  await admin`select pg_advisory_lock(727204)`;
  try {
    await admin.unsafe(`create database ${name} template ${templateDatabase} strategy file_copy`);
  } finally {
    await admin`select pg_advisory_unlock(727204)`;
  }
}
