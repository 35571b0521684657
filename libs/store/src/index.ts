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
export { type AuditEntry, appendAudit } from './repositories/audit.ts';
export {
  type EnvironmentRow,
  getService,
  listServicesByStage,
  listServicesFollowing,
  lockEnvironment,
  type ServiceRow,
  type StageRow,
} from './repositories/environments.ts';
export {
  type ExecutionRow,
  type ExecutionServiceRow,
  type ExecutionStageRow,
  endUnstartedParts,
  getExecution,
  handedOutStatuses,
  insertExecution,
  listExecutionServices,
  listExecutionStages,
  listOpenExecutions,
  openStatuses,
  updateExecution,
} from './repositories/executions.ts';
export {
  type ClusterRow,
  currentEngine,
  type EngineRow,
  getCluster,
  readEpoch,
} from './repositories/fleet.ts';
export {
  claimOutbox,
  deleteOutbox,
  type OutboxRow,
  postponeOutbox,
  writeOutbox,
} from './repositories/outbox.ts';
export { dayOf, dropExpiredPartitions, ensurePartitions } from './repositories/partitions.ts';
export {
  activateRelease,
  endPendingReleases,
  getRelease,
  hasRelease,
  insertRelease,
  type ReleaseRow,
} from './repositories/releases.ts';
export {
  listVisibleVariables,
  loadCiphertexts,
  type VisibleVariable,
} from './repositories/variables.ts';
export type {
  Actor,
  Database,
  SystemTransaction,
  TenantContext,
  TenantTransaction,
} from './transactions.ts';
/** Every table, for handlers whose query no repository has. */
export { tables };
