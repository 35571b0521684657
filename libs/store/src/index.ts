import * as tables from './schema/index.ts';

export { databaseErrorOf, toDatabaseFault } from './database-errors.ts';
export {
  type LoginRole,
  loginRoles,
  type RolesOutcome,
  type SystemRole,
} from './database-roles.ts';
export { type MigrateOptions, type MigrateOutcome, migrate } from './migrate.ts';
export { openStore, type Store, type StoreOptions } from './open-store.ts';
export type {
  Actor,
  Database,
  SystemTransaction,
  TenantContext,
  TenantTransaction,
} from './transactions.ts';
/** Every table, for handlers whose query no repository has. */
export { tables };
