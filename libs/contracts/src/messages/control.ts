import type {
  ClusterId,
  EngineId,
  EnvironmentId,
  ExecutionId,
  OrganizationId,
  ProjectId,
  ServiceId,
} from '@pilotfish/kernel';
import { z } from 'zod';
import { InstantText, idSchema } from '../ids.ts';
import { Envelope } from './envelope.ts';

/** One line that an application wrote. */
export const LogLine = z.looseObject({
  /** Grows by one per line of a service, without gaps, across restarts of its instances. */
  sequence: z.int().positive(),
  at: InstantText,
  /** Which running copy wrote it: the id of its release, `-` and a number. */
  instance: z.string(),
  /** The commit that the copy runs. */
  version: z.string(),
  stream: z.enum(['stdout', 'stderr', 'platform']),
  text: z.string(),
});
export type LogLine = z.infer<typeof LogLine>;

/** Lines of one service, consecutive, in order. */
export const LogBatch = z.looseObject({
  serviceId: idSchema<ServiceId>(),
  lines: z.array(LogLine).min(1).max(500),
});
export type LogBatch = z.infer<typeof LogBatch>;

/** What a task says of its execution, without what is to be done. */
export const ExecutionIssue = Envelope.extend({
  organizationId: idSchema<OrganizationId>(),
  projectId: idSchema<ProjectId>(),
  environmentId: idSchema<EnvironmentId>(),
  sequenceFloor: z.int().nonnegative(),
});
export type ExecutionIssue = z.infer<typeof ExecutionIssue>;

/** Questions to an engine: request and reply, never durable (the durable cancel is desired state). */
export const ControlRequest = z.discriminatedUnion('kind', [
  z.looseObject({
    kind: z.literal('cancel'),
    executionId: idSchema<ExecutionId>(),
    force: z.boolean(),
    /**
     * Given while no engine has reported under this attempt: with it an engine ends even an
     * execution whose task it has not pulled yet, and will not carry it out.
     */
    issue: ExecutionIssue.exactOptional(),
  }),
  z.looseObject({
    kind: z.literal('read_logs'),
    serviceId: idSchema<ServiceId>(),
    /** Lines with a higher sequence; without it the newest `limit` lines. */
    afterSequence: z.int().nonnegative().optional(),
    limit: z.int().min(1).max(500),
  }),
  /** Say hello once more: this control plane has not met the engine since it started. */
  z.looseObject({ kind: z.literal('present') }),
]);
export type ControlRequest = z.infer<typeof ControlRequest>;

export const ControlReply = z.discriminatedUnion('kind', [
  /** `known`: it ends, or has ended. Else this engine has no such execution, and was given no issue. */
  z.looseObject({ kind: z.literal('canceling'), known: z.boolean() }),
  z.looseObject({
    kind: z.literal('log_lines'),
    lines: z.array(LogLine),
    /** The oldest sequence still kept: a cursor below it has lost lines. */
    oldestSequence: z.int().nonnegative(),
    newestSequence: z.int().nonnegative(),
  }),
  z.looseObject({ kind: z.literal('presenting') }),
  z.looseObject({ kind: z.literal('error'), detail: z.string() }),
]);
export type ControlReply = z.infer<typeof ControlReply>;

/**
 * What an engine says on every connect, and when it is asked to. A control plane that hears of an epoch or a generation
 * above its own was restored from a backup, and raises both before it sends anything.
 */
export const Hello = z.looseObject({
  engineId: idSchema<EngineId>(),
  clusterId: idSchema<ClusterId>(),
  protocolOldest: z.int(),
  protocolNewest: z.int(),
  version: z.string(),
  target: z.enum(['process', 'docker', 'kubernetes']),
  isolation: z.enum(['T0', 'T1', 'T2']),
  /** Task kinds it can execute. */
  taskKinds: z.array(z.string()),
  highestEpoch: z.int().nonnegative(),
  /** The highest generation seen per environment, at most 2,000 in one message. */
  generations: z
    .array(
      z.looseObject({
        environmentId: idSchema<EnvironmentId>(),
        generation: z.int().nonnegative(),
      }),
    )
    .max(2000),
  /** Journalled executions that are not confirmed to their end. */
  openExecutions: z.array(idSchema<ExecutionId>()).max(2000),
});
export type Hello = z.infer<typeof Hello>;

export const HelloReply = z.looseObject({
  epoch: z.int().nonnegative(),
  lease: z.int().nonnegative(),
  /** Empty when all is well, else why the engine must not work (protocol too old, revoked). */
  refusal: z.string(),
});
export type HelloReply = z.infer<typeof HelloReply>;

/** Sent every few seconds, never written to disk. */
export const Heartbeat = z.looseObject({
  engineId: idSchema<EngineId>(),
  at: InstantText,
  runningExecutions: z.array(idSchema<ExecutionId>()).max(100),
  freeSlots: z.int().nonnegative(),
  /** By it a control plane that was restored beside a living connection learns that it was. */
  highestEpoch: z.int().nonnegative().optional(),
});
export type Heartbeat = z.infer<typeof Heartbeat>;
