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
  ApplicationGitRepository,
  ApplicationGitRepositoryRequest,
  ApplicationRequest,
  ApplicationResponseList,
  GitProvider,
  ServicePortRequest,
  ServicePortResponse,
  ServiceType,
} from './application.ts';
export { listOf, ReferenceObject } from './base.ts';
export {
  ApplicationDeploymentDetails,
  DeploymentHistoryActionStatus,
  DeploymentHistoryEnvironmentPaginatedResponseListV2,
  DeploymentHistoryEnvironmentV2,
  DeploymentHistoryService,
  DeploymentHistoryStage,
  StageStatus,
} from './deployment-history.ts';
export {
  ApplicationDeploymentRestriction,
  ApplicationDeploymentRestrictionRequest,
} from './deployment-restriction.ts';
export { Engine, EngineJoinToken, EngineJoinTokenRequest, EngineList } from './engine.ts';
export {
  CreateEnvironmentRequest,
  DeploymentQueue,
  Environment,
  EnvironmentEditRequest,
  EnvironmentMode,
  EnvironmentResponseList,
} from './environment.ts';
export { GitRepository, GitRepositoryList, GitRepositoryRequest } from './git-repository.ts';
export { Healthcheck, WireProbe } from './healthcheck.ts';
export {
  IncomingWebhook,
  IncomingWebhookDeliveryList,
  IncomingWebhookDeliverySummary,
  IncomingWebhookList,
  IncomingWebhookRequest,
  IncomingWebhookWithSecret,
  WebhookProvider,
} from './incoming-webhook.ts';
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
  ReleaseList,
  RollbackRequest,
  RollbackStatus,
  VariableDifference,
} from './release.ts';
export {
  CancelDeploymentRequest,
  DeploymentStatus,
  DeployRequest,
  EnvironmentStatus,
  EnvironmentStatuses,
  Origin,
  ServiceStepMetrics,
  State,
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
