/** All tables, for drizzle-kit and for the query builder. */
export { auditChains, auditEvents } from './audit.ts';
export { commitReports } from './commit-reports.ts';
export {
  branchHeads,
  deliveries,
  deliveryPayloads,
  deliveryQueue,
  incomingWebhooks,
  repositories,
} from './deliveries.ts';
export { deploymentStages, environments, projects, releases, services } from './environments.ts';
export {
  earlyEvents,
  executionEvents,
  executionServices,
  executionStages,
  executions,
  outbox,
} from './executions.ts';
export { clusters, engineJoinTokens, engines } from './fleet.ts';
export { gitTokens } from './git-tokens.ts';
export {
  apiTokens,
  controlPlane,
  idempotencyKeys,
  memberships,
  organizations,
  principals,
  roles,
  sessions,
} from './identity.ts';
export { missingDeliveries } from './missing-deliveries.ts';
export { variables, variableVersions } from './variables.ts';
export { watchedRepositories } from './watched-repositories.ts';
export { webhookRegistrations } from './webhook-registrations.ts';
