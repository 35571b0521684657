import * as tables from './schema/index.ts';

export type {
  LoginRole,
  RolesOutcome,
  SystemRole,
} from './database-roles.ts';
export {
  type AppendedDelivery,
  type HookSecrets,
  type Inbox,
  type NewDelivery,
  openInbox,
} from './inbox.ts';
export { type MigrateOptions, type MigrateOutcome, migrate } from './migrate.ts';
export { openStore, type Store, type StoreOptions } from './open-store.ts';
export {
  type ApiTokenRow,
  type ApiTokenWithRole,
  insertApiToken,
  listApiTokens,
  type NewApiToken,
  revokeApiToken,
} from './repositories/api-tokens.ts';
export { type AuditEntry, appendAudit } from './repositories/audit.ts';
export {
  chainAudit,
  listChained,
  listUnchained,
  verifyAuditChain,
} from './repositories/audit-chain.ts';
export {
  type BranchHeadRow,
  countHeadActions,
  findSeenHead,
  insertBaselineHead,
  listBranchHeads,
  lockBranchHead,
  saveHandledHead,
} from './repositories/branch-heads.ts';
export {
  type Caller,
  type CallerMembership,
  findCaller,
  type LocatedResource,
  locateOrganization,
} from './repositories/callers.ts';
export {
  type CommitReportRow,
  claimReport,
  deleteOldReports,
  finishReport,
  listWantedReports,
  type WantedReport,
} from './repositories/commit-reports.ts';
export {
  findEngineOfCluster,
  leapGenerations,
  listClusterIds,
  raiseEpoch,
  raiseGenerations,
  saveEngineReport,
} from './repositories/control-plane.ts';
export {
  type ClaimOptions,
  commitWithoutWaiting,
  type Due,
  type DueDelivery,
  extendLeases,
  leaseDeliveries,
  lockDueDeliveries,
  releaseDeliveries,
} from './repositories/delivery-claims.ts';
export {
  type DeliveryRow,
  getDelivery,
  insertReplay,
  listStartedExecutions,
  type StartedExecution,
} from './repositories/delivery-history.ts';
export {
  type DeliveryFilter,
  findDeliveries,
  listDeliveries,
} from './repositories/delivery-list.ts';
export {
  type DeliveryBody,
  type DeliveryEnd,
  finishDeliveries,
  insertHealingDelivery,
  lockPendingDeliveries,
  postponeDeliveries,
  readDeliveryBodies,
} from './repositories/delivery-queue.ts';
export {
  type EngineJoinTokenRow,
  findEngine,
  insertEngine,
  insertJoinToken,
  listActiveEngines,
  listEngines,
  listRevokedEngines,
  lockJoinToken,
  type NewEngine,
  revokeEngine,
} from './repositories/engine-enrolment.ts';
export {
  countEnvironments,
  defaultCluster,
  type EnvironmentOnCluster,
  getEnvironment,
  insertEnvironment,
  lastStage,
  listEnvironments,
  type NewEnvironment,
  updateEnvironment,
} from './repositories/environment-editing.ts';
export {
  type EnvironmentRow,
  type FollowedBranch,
  getService,
  listFollowedBranches,
  listFollowedRepositories,
  listServicesByStage,
  listServicesFollowing,
  lockEnvironment,
  type ServiceRow,
  type StageRow,
} from './repositories/environments.ts';
export {
  deleteEarlyEvents,
  findExecutionOfCluster,
  insertEarlyEvents,
  insertEvents,
  listEarlyEvents,
} from './repositories/events.ts';
export {
  countOpenRequests,
  findExecutions,
  listExecutions,
  listLastParts,
  listServicesEver,
} from './repositories/execution-history.ts';
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
  ensureControlPlane,
  getCluster,
  readEpoch,
} from './repositories/fleet.ts';
export {
  type AssociatedService,
  countGitTokens,
  deleteGitToken,
  findGitToken,
  type GitTokenRow,
  type GitTokenWithCount,
  insertGitToken,
  listGitTokenNames,
  listGitTokens,
  listServicesOfGitToken,
  lockGitToken,
  type NewGitToken,
  pauseGitToken,
  updateGitToken,
} from './repositories/git-tokens.ts';
export {
  countRepositories,
  deleteRepository,
  getRepository,
  insertRepository,
  listRepositories,
  type RepositoryRow,
} from './repositories/hosted-repositories.ts';
export {
  claimIdempotencyKey,
  completeIdempotencyKey,
  deleteExpiredIdempotencyKeys,
  findIdempotencyKey,
  type IdempotencyRow,
  type NewIdempotencyKey,
} from './repositories/idempotency.ts';
export {
  claimDeliveryCheck,
  type DeliveryCheck,
  deleteMissingDelivery,
  forgetSettledDeliveries,
  insertMissingDeliveries,
  listDueMissingDeliveries,
  type MissingDeliveryRow,
  saveDeliveryCheck,
  saveRedeliveryRequest,
} from './repositories/missing-deliveries.ts';
export {
  deleteOrganization,
  findOwner,
  findRole,
  getOrganization,
  type OrganizationRow,
  type RoleRow,
  updateOrganization,
} from './repositories/organizations.ts';
export {
  claimOutbox,
  deleteOutbox,
  type OutboxRow,
  postponeOutbox,
  writeOutbox,
} from './repositories/outbox.ts';
export { dayOf, dropExpiredPartitions, ensurePartitions } from './repositories/partitions.ts';
export {
  countProjects,
  getProject,
  insertProject,
  listProjects,
  lockProject,
  type ProjectRow,
  type ProjectWithCount,
  updateProject,
} from './repositories/projects.ts';
export { measureQueue, type QueueMeasure } from './repositories/queue-measure.ts';
export {
  activateRelease,
  endPendingReleases,
  findReleaseOfCommit,
  getRelease,
  insertRelease,
  type ReleaseRow,
} from './repositories/releases.ts';
export { deleteExpiredDeliveries, type ExpiredBatch } from './repositories/retention.ts';
export {
  countServices,
  findReleases,
  insertService,
  listReleases,
  listServices,
  type NewService,
  newServiceId,
  updateService,
} from './repositories/service-editing.ts';
export {
  countVariables,
  insertVariable,
  listVariables,
  lockVariable,
  markReadersOutOfDate,
  type NewVariable,
  type StoredValue,
  updateVariable,
  type VariablePlace,
  type VariableRow,
  type VariableVersionRow,
  type VariableWithValue,
} from './repositories/variable-editing.ts';
export {
  listVisibleVariables,
  loadCiphertexts,
  type VisibleVariable,
} from './repositories/variables.ts';
export {
  listCanceling,
  listMissedPushes,
  listPublished,
  listStuckEnvironments,
  listUnreported,
  type MissedPush,
} from './repositories/watch.ts';
export {
  type ClaimedRepository,
  claimWatchedRepository,
  saveComparison,
  saveHeadAhead,
  type WatchedBranch,
  type WatchedRepositoryRow,
  watchNewRepositories,
} from './repositories/watched-repositories.ts';
export {
  type ClaimedRegistration,
  claimRegistrations,
  deleteRegistration,
  dropRegistrationsOfGitToken,
  ensureRegistration,
  findRegistration,
  forgetRegisteredSecret,
  isRepositoryFollowed,
  listMissingRegistrations,
  makeRegistrationsDue,
  releaseRegistration,
  type WantedRegistration,
} from './repositories/webhook-registrations.ts';
export {
  dropNextSecrets,
  ensureRegisteringWebhook,
  findManagedWebhook,
  findProviders,
  findRegisteringWebhook,
  getIncomingWebhook,
  type IncomingWebhookRow,
  insertIncomingWebhook,
  listIncomingWebhooks,
  lockIncomingWebhook,
  type NewIncomingWebhook,
  updateIncomingWebhook,
} from './repositories/webhooks.ts';
export type {
  Actor,
  Database,
  SystemTransaction,
  TenantContext,
  TenantTransaction,
} from './transactions.ts';
/** Every table, for handlers whose query no repository has. */
export { tables };
