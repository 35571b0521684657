export {
  DeliveryExecution,
  DeliveryReceipt,
  GitPushDelivery,
  GitRepositoryAccess,
  genericDeliveryHeaders,
  IncomingWebhookDelivery,
} from './http/git-hosting.ts';
export { Problem } from './http/problem.ts';
export {
  EnvironmentLog,
  isFinalSocketClose,
  ServiceLog,
  socketClose,
} from './http/socket.ts';
export { InstantText, idSchema } from './ids.ts';
export { Inflight, Route, RoutesApplied, RoutesFile, RouteTarget } from './local/routes.ts';
export {
  InstanceExit,
  InstanceId,
  InstanceList,
  InstanceSpec,
  type InstanceSpecInput,
  InstanceState,
  InstanceStatus,
  LogPage,
  LogQuery,
  StopAll,
  SupervisorEvent,
} from './local/supervisor.ts';
export {
  ControlReply,
  ControlRequest,
  ExecutionIssue,
  Heartbeat,
  Hello,
  HelloReply,
  LogBatch,
  LogLine,
} from './messages/control.ts';
export {
  credentialsProofText,
  EngineCredentials,
  EngineCredentialsRequest,
  EngineEnrolled,
  EngineEnrolment,
  enrolmentProofText,
} from './messages/enrolment.ts';
export { Envelope, protocol } from './messages/envelope.ts';
export {
  CauseClass,
  EventBatch,
  ExecutionEvent,
  Explanation,
  ServiceProgress,
} from './messages/event.ts';
export {
  type MessageDefinition,
  type MessageName,
  messages,
  type Party,
  patternOf,
  type StreamName,
  type SubjectParameter,
  streams,
  subjectOf,
} from './messages/registry.ts';
export { Sealed } from './messages/sealed.ts';
export {
  EnvironmentTask,
  Probe,
  ServiceRelease,
  ServiceTask,
  TaskStage,
} from './messages/task.ts';
export { type BuiltInRole, builtInRoles, type Permission, permissions } from './permissions.ts';
export {
  ApplicationSpec,
  CommitInfo,
  GitSource,
  ReleaseConfig,
  SecretReference,
  ServicePort,
  ServiceSpec,
} from './services/application.ts';
