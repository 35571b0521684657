export { type BranchOutcome, describeOutcome } from './delivery/describe-outcome.ts';
export { type HeadJudgement, judgeHead, type KnownHead } from './delivery/judge-head.ts';
export {
  type BranchHead,
  matchServices,
  needsChangedPaths,
  type PathFilter,
  type ServiceMatch,
  type WatchingService,
} from './delivery/match-services.ts';
export {
  type DeliveryProvider,
  type DeliveryReading,
  deliveryProviders,
  ignoredByEvent,
  type RawDelivery,
  type RefChange,
  readDelivery,
} from './delivery/read-delivery.ts';
export { repositoryKey } from './delivery/repository-key.ts';
export {
  apiLogin,
  coversRepository,
  defaultApiUrl,
  type GitTokenScope,
  gitLogin,
  providerKind,
} from './git-token/token-scope.ts';
export {
  decideEnqueue,
  type EnqueueDecision,
  type ExecutionAction,
  type ExecutionOrigin,
  type OpenExecution,
  type QueuePolicy,
} from './queue/decide-enqueue.ts';
export { type HookPlan, planHook, withUrl } from './registration/plan-hook.ts';
export { type CommitStatus, commitStatusOf, progressesOf } from './status/commit-status.ts';
export {
  environmentStatus,
  type StatusEnvironment,
  type StatusExecution,
  type StatusService,
} from './status/environment-status.ts';
export { type StatusPart, statusDetails } from './status/status-details.ts';
export {
  type ExecutionStatus,
  environmentState,
  isBeingDeleted,
  isFinalProgress,
  serviceState,
  settledState,
  type WireState,
} from './status/wire-state.ts';
export { isPastSwitch, planService } from './target/plan-service.ts';
export {
  failedStep,
  type ObservedService,
  type Step,
  type StepContext,
  type StepLine,
  type StepName,
  type StepOutcome,
  type Target,
} from './target/target.ts';
