import type { OrganizationId, PrincipalId } from '@pilotfish/kernel';
import { sql } from 'drizzle-orm';
import type { PostgresJsDatabase } from 'drizzle-orm/postgres-js';
import type { SystemRole } from './database-roles.ts';
import type * as schema from './schema/index.ts';

/** The query builder of one transaction. */
export type Database = Pick<
  PostgresJsDatabase<typeof schema>,
  | 'select'
  | 'selectDistinct'
  | 'selectDistinctOn'
  | 'insert'
  | 'update'
  | 'delete'
  | 'execute'
  | 'with'
  | '$with'
  | '$count'
>;

/** Who acts, for history and audit. */
export interface Actor {
  readonly principalId: PrincipalId;
  readonly kind: 'user' | 'token' | 'engine' | 'system';
  readonly name: string;
}

/** For whom and by whom a transaction runs. Made from an authenticated principal, never from input. */
export interface TenantContext {
  readonly organizationId: OrganizationId;
  readonly actor: Actor;
  /** W3C `traceparent` of the request. */
  readonly trace?: string | undefined;
}

// Only this module has it: the constructors refuse everybody else.
const seal: unique symbol = Symbol('transaction');
type Seal = typeof seal;

/**
 * Proof that the connection's tenant is set. Repositories of tenant data take it first, so that a
 * query without a tenant does not compile; row-level security stands behind it.
 */
export class TenantTransaction {
  readonly #brand: Seal = seal;
  readonly db: Database;
  readonly context: TenantContext;

  constructor(key: Seal, db: Database, context: TenantContext) {
    if (key !== seal) throw new TypeError('transactions are made by the store');
    this.db = db;
    this.context = context;
  }

  get organizationId(): OrganizationId {
    return this.context.organizationId;
  }

  /** Keeps the type nominal. */
  get brand(): Seal {
    return this.#brand;
  }
}

/** A transaction across tenants, with the rights of one service role. */
export class SystemTransaction<Role extends SystemRole = SystemRole> {
  readonly #brand: Seal = seal;
  readonly db: Database;
  readonly role: Role;

  constructor(key: Seal, db: Database, role: Role) {
    if (key !== seal) throw new TypeError('transactions are made by the store');
    this.db = db;
    this.role = role;
  }

  /**
   * The same transaction, for one tenant's repositories. The rights stay those of the role; use it
   * for what belongs together with system rows (a delivery and the execution it starts).
   */
  async asTenant(context: TenantContext): Promise<TenantTransaction> {
    await this.db.execute(
      sql`select set_config('pilotfish.organization_id', ${context.organizationId}, true)`,
    );
    return new TenantTransaction(seal, this.db, context);
  }

  get brand(): Seal {
    return this.#brand;
  }
}

/** Sets role and tenant for the rest of the transaction, in one round trip. */
export async function enterTenant(
  db: Database,
  databaseRole: string | null,
  context: TenantContext,
): Promise<TenantTransaction> {
  await db.execute(sql`select ${roleSetting(databaseRole)},
    set_config('pilotfish.system', 'off', true),
    set_config('pilotfish.organization_id', ${context.organizationId}, true)`);
  return new TenantTransaction(seal, db, context);
}

/** As `enterTenant`, without a tenant. */
export async function enterSystem<Role extends SystemRole>(
  db: Database,
  databaseRole: string | null,
  role: Role,
): Promise<SystemTransaction<Role>> {
  await db.execute(sql`select ${roleSetting(databaseRole)},
    set_config('pilotfish.system', 'on', true),
    set_config('pilotfish.organization_id', '', true)`);
  return new SystemTransaction(seal, db, role);
}

function roleSetting(databaseRole: string | null) {
  return databaseRole === null ? sql`null` : sql`set_config('role', ${databaseRole}, true)`;
}
