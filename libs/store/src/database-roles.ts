/**
 * The database roles of the services and what each may touch. Roles belong to the server, not to a
 * database, so this is no migration: `applyRoles` lays it anew, idempotently, after each migration.
 *
 * `{prefix}_core_api` may become `_api`, `_worker` or `_authenticator` for one transaction and has
 * no rights of its own; a core-api that runs only some of its roles connects as `_api` or `_worker`.
 *
 * Where the user of `DATABASE_URL` may not create roles, everything runs as that user: tenants are
 * then kept apart by the same policies (forced, so they bind the owner too), and only least
 * privilege between the services is lost.
 */
import { Fault } from '@pilotfish/kernel';
import type { Sql } from 'postgres';
import { databaseErrorOf, isTransientConflict } from './database-errors.ts';

/** Whose rights a transaction has. */
export type SystemRole = 'authenticator' | 'worker' | 'webhook_gateway';
/** Who can log in. */
const loginRoles = ['core_api', 'api', 'worker', 'webhook_gateway', 'websocket_gateway'] as const;
export type LoginRole = (typeof loginRoles)[number];

type Right = 'select' | 'insert' | 'update' | 'delete';
const all: readonly Right[] = ['select', 'insert', 'update', 'delete'];
const read: readonly Right[] = ['select'];
const append: readonly Right[] = ['select', 'insert'];
const noDelete: readonly Right[] = ['select', 'insert', 'update'];

/** A right on whole rows, or on the named columns only. */
interface Grant {
  readonly rights: readonly Right[];
  readonly columns?: string;
}

const resourceTables = [
  'projects',
  'environments',
  'deployment_stages',
  'services',
  'releases',
  'variables',
  'clusters',
  'engines',
  'engine_join_tokens',
  'incoming_webhooks',
  'repositories',
  'branch_heads',
  'git_tokens',
  'webhook_registrations',
] as const;

/** Within the tenant of the transaction only: no policy but `tenant` speaks for these roles. */
const tenantGrants: Record<'api' | 'websocket_gateway', Record<string, readonly Grant[]>> = {
  api: {
    organizations: [{ rights: noDelete }],
    principals: [{ rights: noDelete }],
    memberships: [{ rights: all }],
    roles: [{ rights: all }],
    api_tokens: [{ rights: all }],
    idempotency_keys: [{ rights: all }],
    ...Object.fromEntries(resourceTables.map((table) => [table, [{ rights: all }]])),
    variable_versions: [{ rights: append }],
    executions: [{ rights: noDelete }],
    execution_services: [{ rights: all }],
    execution_stages: [{ rights: all }],
    execution_events: [{ rights: read }],
    outbox: [{ rights: all }],
    deliveries: [{ rights: noDelete }],
    delivery_payloads: [{ rights: append }],
    commit_reports: [{ rights: noDelete }],
    delivery_queue: [{ rights: ['select', 'insert', 'delete'] }],
    watched_repositories: [{ rights: ['select', 'update'] }],
    missing_deliveries: [{ rights: all }],
    audit_events: [{ rights: append }],
    audit_chains: [{ rights: read }],
    control_plane: [{ rights: read }],
  },
  websocket_gateway: {
    organizations: [{ rights: read }],
    projects: [{ rights: read }],
    environments: [{ rights: read }],
    deployment_stages: [{ rights: read }],
    services: [{ rights: read }],
    clusters: [{ rights: read }],
    releases: [{ rights: read, columns: 'id, organization_id, service_id, number, commit_sha' }],
    executions: [{ rights: read }],
    execution_services: [{ rights: read }],
    execution_stages: [{ rights: read }],
    execution_events: [{ rights: read }],
  },
};

/** Across tenants, by an explicit policy per table. */
const systemGrants: Record<SystemRole, Record<string, readonly Grant[]>> = {
  /** Finds out who somebody is and which organization a resource belongs to. */
  authenticator: {
    organizations: [{ rights: read }],
    principals: [{ rights: read }],
    memberships: [{ rights: read }],
    roles: [{ rights: read }],
    sessions: [{ rights: read }],
    api_tokens: [{ rights: read }, { rights: ['update'], columns: 'last_used_at' }],
    engines: [{ rights: read }],
    ...Object.fromEntries(
      [
        'projects',
        'environments',
        'services',
        'releases',
        'variables',
        'clusters',
        'incoming_webhooks',
        'repositories',
        'executions',
        'deliveries',
      ].map((table) => [table, [{ rights: read, columns: 'id, organization_id' }]]),
    ),
  },
  /** Dispatcher, relay, ingester, reconciler and engine enrolment. */
  worker: {
    control_plane: [{ rights: noDelete }],
    organizations: [{ rights: noDelete }],
    principals: [{ rights: append }],
    ...Object.fromEntries(resourceTables.map((table) => [table, [{ rights: noDelete }]])),
    webhook_registrations: [{ rights: all }],
    watched_repositories: [{ rights: all }],
    missing_deliveries: [{ rights: all }],
    commit_reports: [{ rights: all }],
    variable_versions: [{ rights: read }],
    executions: [{ rights: noDelete }],
    execution_services: [{ rights: all }],
    execution_stages: [{ rights: all }],
    execution_events: [{ rights: append }],
    early_events: [{ rights: all }],
    outbox: [{ rights: all }],
    deliveries: [{ rights: all }],
    delivery_payloads: [{ rights: append }],
    delivery_queue: [{ rights: all }],
    audit_events: [{ rights: noDelete }],
    audit_chains: [{ rights: noDelete }],
    idempotency_keys: [{ rights: ['select', 'delete'] }],
  },
  /** Verifies and stores deliveries, and can read none back. */
  webhook_gateway: {
    organizations: [{ rights: read, columns: 'id, deleted_at' }],
    incoming_webhooks: [{ rights: read }],
    deliveries: [
      { rights: ['insert'] },
      { rights: read, columns: 'id, incoming_webhook_id, provider_delivery_id' },
    ],
    delivery_payloads: [{ rights: ['insert'] }],
    delivery_queue: [{ rights: ['insert'] }],
  },
};

export interface RolesOptions {
  /** A connection of the owner of the tables. */
  readonly sql: Sql;
  /** `pilotfish` unless two installations share one server. */
  readonly prefix: string;
  /** Sets the password of a login role; roles left out keep theirs. */
  readonly passwords: Partial<Record<LoginRole, string>>;
}

/** `own_roles`, or `shared_user` where the connecting user may not create roles. */
export type RolesOutcome = 'own_roles' | 'shared_user';

/**
 * Creates roles, grants and system policies. Idempotent; safe beside running services and beside
 * another installation that migrates its own database on the same server.
 */
export async function applyRoles(options: RolesOptions): Promise<RolesOutcome> {
  if (!/^[a-z][a-z0-9_]{0,30}$/.test(options.prefix)) {
    throw new Fault(
      'invalid_input',
      `"${options.prefix}" cannot begin the name of a database role`,
    );
  }
  const mayCreate = await mayCreateRoles(options.sql);
  for (let attempt = 1; ; attempt++) {
    try {
      return await layRoles(options, mayCreate);
    } catch (error) {
      // No lock reaches across databases: whoever loses the race for a role's row begins again. So
      // does who meets services at work, which lock the same tables in an order of their own.
      if (attempt === 10 || !(isLostCatalogRace(error) || isTransientConflict(error))) throw error;
    }
  }
}

/** Two transactions of different databases changed, or made, the same role at once. */
function isLostCatalogRace(error: unknown): boolean {
  const { code = '', message = '' } = databaseErrorOf(error) ?? {};
  return (
    (code === 'XX000' && message === 'tuple concurrently updated') ||
    code === '42710' ||
    code === '23505'
  );
}

async function layRoles(
  { sql, prefix, passwords }: RolesOptions,
  mayCreate: boolean,
): Promise<RolesOutcome> {
  return await sql.begin(async (tx) => {
    const run = (statement: string) => tx.unsafe(statement);
    if (!mayCreate) {
      await applySharedPolicies(run);
      return 'shared_user' as const;
    }
    await createRoles(tx as unknown as Sql, run, prefix, passwords);
    await grantTables(run, prefix);
    return 'own_roles' as const;
  });
}

async function mayCreateRoles(sql: Sql): Promise<boolean> {
  const [row] = await sql<{ may: boolean }[]>`
    select (rolsuper or rolcreaterole) as may from pg_roles where rolname = current_user`;
  return row?.may ?? false;
}

type Run = (statement: string) => Promise<unknown>;

async function createRoles(
  sql: Sql,
  run: Run,
  prefix: string,
  passwords: RolesOptions['passwords'],
): Promise<void> {
  const names = [...loginRoles, 'authenticator'];
  const existing = await sql<{ rolname: string }[]>`
    select rolname from pg_roles where rolname in ${sql(names.map((n) => `${prefix}_${n}`))}`;
  for (const name of names) {
    const role = `${prefix}_${name}`;
    if (existing.some((row) => row.rolname === role)) continue;
    await run(`create role ${role} ${name === 'authenticator' ? 'nologin' : 'login'} noinherit`);
  }
  for (const [name, password] of Object.entries(passwords)) {
    // A statement takes no parameters here; the alphabet makes quoting safe.
    if (!/^[\w-]{16,200}$/.test(password)) {
      throw new Fault('internal', 'A generated database password has an unexpected form');
    }
    await run(`alter role ${prefix}_${name} password '${password}'`);
  }
  await run(`grant ${prefix}_api, ${prefix}_worker, ${prefix}_authenticator to ${prefix}_core_api`);
  await run(`grant ${prefix}_authenticator to ${prefix}_api, ${prefix}_websocket_gateway`);
  // The one who migrates must be able to act as them: in tests, and where he is not superuser.
  const [me] = await sql<{ super: boolean }[]>`
    select rolsuper as super from pg_roles where rolname = current_user`;
  if (!me?.super)
    await run(`grant ${names.map((n) => `${prefix}_${n}`).join(', ')} to current_user`);
}

async function grantTables(run: Run, prefix: string): Promise<void> {
  const everybody = [...loginRoles, 'authenticator'].map((name) => `${prefix}_${name}`);
  const system: readonly string[] = ['authenticator', 'worker', 'webhook_gateway'];
  // Laid anew as a whole: what an older version granted and this one does not is taken away.
  await run(`revoke all on all tables in schema public from ${everybody.join(', ')}`);
  await run(`grant usage on schema public to ${everybody.join(', ')}`);
  await run(`grant select on schema_migrations to ${everybody.join(', ')}`);
  for (const [name, tables] of [...Object.entries(tenantGrants), ...Object.entries(systemGrants)]) {
    const role = `${prefix}_${name}`;
    for (const [table, grants] of Object.entries(tables)) {
      for (const { rights, columns } of grants) {
        const list = rights.map((r) => (columns === undefined ? r : `${r} (${columns})`));
        await run(`grant ${list.join(', ')} on ${table} to ${role}`);
      }
      if (!system.includes(name) || table === 'control_plane' || table === 'sessions') continue;
      await run(`drop policy if exists ${role} on ${table}`);
      await run(`create policy ${role} on ${table} to ${role} using (true) with check (true)`);
    }
  }
  const partitioning = [`${prefix}_worker`, `${prefix}_webhook_gateway`, `${prefix}_api`];
  await run(
    `grant execute on function pilotfish_ensure_partitions(date, date) to ${partitioning.join(', ')}`,
  );
  await run(`grant execute on function pilotfish_drop_partitions(text, date) to ${prefix}_worker`);
}

/** One user for all: system transactions say so by a setting, tenants are bound as ever. */
async function applySharedPolicies(run: Run): Promise<void> {
  const tables = new Set(Object.values(systemGrants).flatMap((grants) => Object.keys(grants)));
  for (const table of tables) {
    if (table === 'control_plane' || table === 'sessions') continue;
    await run(`drop policy if exists shared_system on ${table}`);
    await run(
      `create policy shared_system on ${table} to current_user using (current_setting('pilotfish.system', true) = 'on')`,
    );
  }
}
