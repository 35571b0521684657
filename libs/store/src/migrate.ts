import { createHash } from 'node:crypto';
import { Fault } from '@pilotfish/kernel';
import postgres, { type Sql } from 'postgres';
import { toOpeningFault } from './database-errors.ts';
import { applyRoles, type LoginRole, type RolesOutcome } from './database-roles.ts';
import { type Migration, migrations } from './migrations.ts';

// Any number, the same for every process that migrates.
const lockKey = 7_426_113_905;

export interface MigrateOptions {
  /** A user who may create tables, and roles if the services are to have their own. */
  readonly url: string;
  readonly rolePrefix?: string;
  /** Passwords to set; roles left out keep theirs. */
  readonly passwords?: Partial<Record<LoginRole, string>>;
}

export interface MigrateOutcome {
  /** Names of the migrations that this call applied. */
  readonly applied: readonly string[];
  readonly roles: RolesOutcome;
}

/**
 * Brings the database to this build's schema. Idempotent, and safe to start twice at the same time:
 * the second waits for the first.
 *
 * @throws Fault `unavailable` where the database cannot be reached or refuses, `conflict` where it
 * was migrated by a newer build, or by one whose migrations had other content
 */
export async function migrate(options: MigrateOptions): Promise<MigrateOutcome> {
  const sql = postgres(options.url, {
    max: 1,
    connect_timeout: 10,
    onnotice: () => {},
    connection: { application_name: 'pilotfish-migrate', lock_timeout: 60_000 },
  });
  try {
    await sql`select pg_advisory_lock(${lockKey})`;
    await sql.unsafe(`create table if not exists schema_migrations (
      name text primary key, hash text not null, applied_at timestamptz not null default now())`);
    const pending = pendingMigrations(await appliedMigrations(sql));
    for (const migration of pending) {
      await sql.begin(async (tx) => {
        await tx.unsafe(migration.sql);
        await tx`insert into schema_migrations (name, hash)
          values (${migration.name}, ${hashOf(migration)})`;
      });
    }
    const roles = await applyRoles({
      sql,
      prefix: options.rolePrefix ?? 'pilotfish',
      passwords: options.passwords ?? {},
    });
    return { applied: pending.map((m) => m.name), roles };
  } catch (thrown) {
    throw toOpeningFault(sql, thrown);
  } finally {
    // The session's end releases the lock.
    await sql.end({ timeout: 5 });
  }
}

/**
 * Refuses a database whose schema is not this build's.
 *
 * @throws Fault `unavailable` where migrations are missing, `conflict` where it knows others
 */
export async function requireSchema(sql: Sql): Promise<void> {
  const [table] = await sql<{ known: boolean }[]>`
    select to_regclass('public.schema_migrations') is not null as known`;
  const pending = pendingMigrations(table?.known ? await appliedMigrations(sql) : []);
  if (pending.length > 0) {
    throw new Fault(
      'unavailable',
      `The database lacks ${pending.length} migrations of this version: run "core-api migrate"`,
    );
  }
}

interface AppliedMigration {
  readonly name: string;
  readonly hash: string;
}

async function appliedMigrations(sql: Sql): Promise<AppliedMigration[]> {
  return await sql<AppliedMigration[]>`select name, hash from schema_migrations order by name`;
}

function pendingMigrations(applied: readonly AppliedMigration[]): readonly Migration[] {
  for (const { name, hash } of applied) {
    const known = migrations.find((m) => m.name === name);
    if (known === undefined || hashOf(known) !== hash) {
      throw new Fault(
        'conflict',
        `The database has the migration "${name}", which this version ${known ? 'knows with other content' : 'does not know'}`,
      );
    }
  }
  return migrations.filter((m) => !applied.some((a) => a.name === m.name));
}

function hashOf(migration: Migration): string {
  return createHash('sha256').update(migration.sql).digest('hex');
}
