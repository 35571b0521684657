import type {
  ClusterId,
  EnvironmentId,
  ExecutionId,
  OrganizationId,
  ProjectId,
  ReleaseId,
  ServiceId,
  StageId,
} from '@pilotfish/kernel';
import { z } from 'zod';
import { InstantText, idSchema } from '../ids.ts';
import { Envelope } from './envelope.ts';
import { Sealed } from './sealed.ts';

/** How the engine finds out whether an instance is alive (liveness) or may get traffic (readiness). */
export const Probe = z.looseObject({
  type: z.discriminatedUnion('kind', [
    z.looseObject({ kind: z.literal('HTTP'), path: z.string(), port: z.int() }),
    z.looseObject({ kind: z.literal('TCP'), port: z.int() }),
    z.looseObject({ kind: z.literal('EXEC'), command: z.array(z.string()) }),
  ]),
  initialDelaySeconds: z.int().nonnegative(),
  periodSeconds: z.int().positive(),
  timeoutSeconds: z.int().positive(),
  successThreshold: z.int().positive(),
  failureThreshold: z.int().positive(),
});
export type Probe = z.infer<typeof Probe>;

/** A commit to deploy and how to get at it. */
const Source = z.looseObject({
  repositoryUrl: z.url(),
  branch: z.string(),
  commitSha: z.string(),
  /** The folder inside the repository that is the service, `/` for all of it. */
  rootPath: z.string(),
  username: z.string().optional(),
  /** Sealed password or token; absent for a public repository. */
  password: Sealed.optional(),
});

/** One TCP port of an application. */
export const Port = z.looseObject({
  name: z.string(),
  internalPort: z.int().min(1).max(65_535),
  public: z.boolean(),
});
export type Port = z.infer<typeof Port>;

/** Everything that an engine needs to run one version of a service: what a release is made of. */
export const ServiceRelease = z.looseObject({
  releaseId: idSchema<ReleaseId>(),
  source: Source,
  /** Plain variables of this release, resolved; secrets are beside them, sealed. */
  variables: z.record(z.string(), z.string()),
  secrets: z.record(z.string(), Sealed),
  ports: z.array(Port),
  /** Overrides the detected start command. */
  command: z.array(z.string()),
  readiness: Probe.nullable(),
  liveness: Probe.nullable(),
  instances: z.int().min(1),
  buildSecondsMax: z.int().positive(),
  memoryMebibytes: z.int().positive(),
});
export type ServiceRelease = z.infer<typeof ServiceRelease>;

/** What to do with one service. `release` is present exactly where the action is DEPLOY or RESTART. */
export const ServiceTask = z.looseObject({
  serviceId: idSchema<ServiceId>(),
  name: z.string(),
  kind: z.enum(['APPLICATION']),
  action: z.enum(['DEPLOY', 'RESTART', 'STOP', 'DELETE']),
  /** The host name under which the edge serves it, without port. */
  host: z.string(),
  release: ServiceRelease.nullable(),
});
export type ServiceTask = z.infer<typeof ServiceTask>;

/** Stages run in order, the services of one stage side by side. */
export const TaskStage = z.looseObject({
  stageId: idSchema<StageId>(),
  name: z.string(),
  services: z.array(ServiceTask),
});
export type TaskStage = z.infer<typeof TaskStage>;

/**
 * One execution on one environment: self-contained and idempotent. The engine journals it before
 * it acks, and answers with events until a terminal one.
 */
export const EnvironmentTask = Envelope.extend({
  kind: z.literal('environment'),
  organizationId: idSchema<OrganizationId>(),
  projectId: idSchema<ProjectId>(),
  clusterId: idSchema<ClusterId>(),
  environmentId: idSchema<EnvironmentId>(),
  executionId: idSchema<ExecutionId>(),
  action: z.enum(['DEPLOY', 'RESTART', 'STOP', 'DELETE']),
  /** The engine numbers its events of this execution above this, even where its journal is lost. */
  sequenceFloor: z.int().nonnegative(),
  requestedAt: InstantText,
  /**
   * True where somebody asked by the API, under this very epoch, that it shall go. Without it an
   * engine refuses to delete many environments for a control plane of a newer epoch than theirs:
   * what a restored backup still wanted is not what anybody wants now.
   */
  deletionConfirmed: z.boolean().exactOptional(),
  stages: z.array(TaskStage),
});
export type EnvironmentTask = z.infer<typeof EnvironmentTask>;
