export { type BackoffPolicy, backoffDelayMs } from './backoff.ts';
export { type Clock, systemClock } from './clock.ts';
export {
  assert,
  Fault,
  type FaultCode,
  type FaultContext,
  faultTable,
  toFault,
  unreachable,
} from './fault.ts';
export {
  type ApiTokenId,
  type ClusterId,
  type DeliveryId,
  type EngineId,
  type EnvironmentId,
  type ExecutionId,
  firstIdAt,
  type GitTokenId,
  type Id,
  type IncomingWebhookId,
  instantOfId,
  isUuid,
  newId,
  type OrganizationId,
  type PrincipalId,
  type ProjectId,
  type ReleaseId,
  type RepositoryId,
  type ServiceId,
  type StageId,
  shortId,
  type VariableId,
  type WebhookRegistrationId,
} from './ids.ts';
export { limits } from './limits.ts';
