/**
 * The HTTP API: its resources and its operations. An entry of its own, because only core-api needs
 * all of it, and schemas cost memory in every process that loads them.
 */
export {
  OrganizationApiToken,
  OrganizationApiTokenCreate,
  OrganizationApiTokenCreateRequest,
  OrganizationApiTokenResponseList,
} from './api-token.ts';
export {
  Application,
  ApplicationEditRequest,
  ApplicationGitRepositoryRequest,
  ApplicationRequest,
  ApplicationResponseList,
  GitProvider,
  ServicePortRequest,
} from './application.ts';
export {
  DeliveryListQuery,
  DeliveryReplayPreview,
  IncomingWebhookDeliveryList,
  IncomingWebhookDeliverySummary,
  replayedDeliveriesMax,
} from './delivery-list.ts';
export {
  Commit,
  DeploymentHistoryActionStatus,
  DeploymentHistoryEnvironmentV2,
  DeploymentHistoryService,
} from './deployment-history.ts';
export {
  ApplicationDeploymentRestriction,
  ApplicationDeploymentRestrictionRequest,
} from './deployment-restriction.ts';
export { Engine } from './engine.ts';
export {
  CreateEnvironmentRequest,
  Environment,
  EnvironmentEditRequest,
  EnvironmentResponseList,
} from './environment.ts';
export { GitRepository } from './git-repository.ts';
export {
  GitTokenAssociatedServicesResponseList,
  GitTokenRequest,
  GitTokenResponse,
  GitTokenResponseList,
} from './git-token.ts';
export { GitWebhookStatusResponse } from './git-webhook.ts';
export { WireProbe } from './healthcheck.ts';
export { IncomingWebhook } from './incoming-webhook.ts';
export { Link, LinkResponseList } from './link.ts';
export type {
  Operation,
  OperationInput,
  OperationOutput,
  OperationPermission,
  OperationTenant,
  TenantResource,
} from './operation.ts';
export { type OperationId, type Operations, operations } from './operations/index.ts';
export {
  Organization,
  OrganizationEditRequest,
  OrganizationRequest,
  OrganizationResponseList,
  Plan,
} from './organization.ts';
export { Project, ProjectRequest, ProjectResponseList } from './project.ts';
export {
  Release,
  VariableDifference,
} from './release.ts';
export {
  CancelDeploymentRequest,
  DeployRequest,
  EnvironmentStatus,
  EnvironmentStatuses,
  Origin,
  Status,
  StatusDetails,
} from './status.ts';
export {
  VariableEditRequest,
  VariableRequest,
  VariableResponse,
  VariableResponseList,
  VariableScope,
} from './variable.ts';
