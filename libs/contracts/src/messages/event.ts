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

/** Where a service is on its way through one execution. */
export const ServiceProgress = z.enum([
  'QUEUED',
  'FETCHING',
  'BUILDING',
  'STARTING',
  'SWITCHING',
  'STOPPING',
  'DELETING',
  'DEPLOYED',
  'STOPPED',
  'DELETED',
  'BUILD_FAILED',
  'DEPLOY_FAILED',
  'STOP_FAILED',
  'DELETE_FAILED',
  'CANCELED',
  'SKIPPED',
]);
export type ServiceProgress = z.infer<typeof ServiceProgress>;

/** Why something failed, as a user would sort it. */
export const CauseClass = z.enum([
  'SOURCE_UNAVAILABLE',
  'PLAN_NOT_FOUND',
  'BUILD_FAILED',
  'BUILD_TIMEOUT',
  'CRASHED_ON_START',
  'NEVER_HEALTHY',
  'OUT_OF_RESOURCES',
  'REFUSED',
  'CANCELED',
  'PLATFORM',
]);
export type CauseClass = z.infer<typeof CauseClass>;

/** A failure explained: the class, the lines that matter and what to try. */
export const Explanation = z.looseObject({
  cause: CauseClass,
  summary: z.string(),
  lines: z.array(z.string()).max(40),
  suggestion: z.string(),
});
export type Explanation = z.infer<typeof Explanation>;

const base = {
  /** Assigned by the engine, without gaps, per execution; ingest deduplicates on it. */
  sequence: z.int().positive(),
  at: InstantText,
};

/** One thing that happened while an execution ran. */
export const ExecutionEvent = z.discriminatedUnion('kind', [
  z.looseObject({ ...base, kind: z.literal('execution_started') }),
  z.looseObject({
    ...base,
    kind: z.literal('stage_started'),
    stageId: idSchema<StageId>(),
    name: z.string(),
  }),
  z.looseObject({
    ...base,
    kind: z.literal('service_progressed'),
    stageId: idSchema<StageId>(),
    serviceId: idSchema<ServiceId>(),
    progress: ServiceProgress,
    /** Present from DEPLOYED on. */
    releaseId: idSchema<ReleaseId>().optional(),
    explanation: Explanation.optional(),
  }),
  z.looseObject({
    ...base,
    kind: z.literal('line'),
    stageId: idSchema<StageId>().optional(),
    serviceId: idSchema<ServiceId>().optional(),
    step: z.enum([
      'PREPARE',
      'FETCH',
      'PLAN',
      'BUILD',
      'START',
      'HEALTH',
      'SWITCH',
      'STOP',
      'DELETE',
    ]),
    severity: z.enum(['INFO', 'WARNING', 'ERROR']),
    /** What a user may read; secrets are scrubbed at the source. */
    text: z.string(),
    /** The full technical detail, for operators. */
    detail: z.string().optional(),
  }),
  z.looseObject({
    ...base,
    kind: z.literal('stage_ended'),
    stageId: idSchema<StageId>(),
    outcome: z.enum(['DONE', 'ERROR', 'CANCELED', 'SKIPPED']),
  }),
  /** Terminal: exactly one per execution, whatever happens. */
  z.looseObject({
    ...base,
    kind: z.literal('execution_ended'),
    outcome: z.enum(['SUCCEEDED', 'FAILED', 'CANCELED', 'REFUSED']),
    summary: z.string(),
    /** Named in the status: how strongly the applications are kept apart. */
    isolation: z.enum(['T0', 'T1', 'T2']),
  }),
]);
export type ExecutionEvent = z.infer<typeof ExecutionEvent>;

/** Consecutive events of one execution, in order. */
export const EventBatch = Envelope.extend({
  organizationId: idSchema<OrganizationId>(),
  projectId: idSchema<ProjectId>(),
  clusterId: idSchema<ClusterId>(),
  environmentId: idSchema<EnvironmentId>(),
  executionId: idSchema<ExecutionId>(),
  events: z.array(ExecutionEvent).min(1).max(500),
});
export type EventBatch = z.infer<typeof EventBatch>;

/** The highest gapless sequence per execution that Postgres holds: what the engine may forget. */
export const Confirmation = z.looseObject({
  confirmed: z
    .array(z.looseObject({ executionId: idSchema<ExecutionId>(), sequence: z.int().nonnegative() }))
    .max(1000),
});
export type Confirmation = z.infer<typeof Confirmation>;
