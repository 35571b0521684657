/**
 * What the engine and the supervisor say to each other: HTTP with JSON over the unix socket
 * `SUPERVISOR_SOCKET` (mode 0600: whoever may open it may run programs as the supervisor's user).
 *
 * | request | answer |
 * |---|---|
 * | `PUT /instances/{instanceId}` `InstanceSpec` | `InstanceStatus`; the same spec again changes nothing, another spec for a live instance is `conflict` |
 * | `GET /instances` | `InstanceList` |
 * | `GET /instances/{instanceId}` | `InstanceStatus` or `not_found` |
 * | `DELETE /instances/{instanceId}` | the last `InstanceStatus`, once nothing of it runs; unknown is `not_found` |
 * | `POST /stop-all` `StopAll` | `InstanceList`, once nothing runs |
 * | `GET /logs/{serviceId}?after=&limit=` | `LogPage` |
 * | `DELETE /logs/{serviceId}` | `{}`; `conflict` while the service has an instance |
 * | `GET /events` | NDJSON of `SupervisorEvent`, the first one a snapshot |
 *
 * Errors are `{ status, error, detail }` as everywhere.
 */
import type { EnvironmentId, ReleaseId, ServiceId } from '@pilotfish/kernel';
import { z } from 'zod';
import { InstantText, idSchema } from '../ids.ts';
import { LogLine } from '../messages/control.ts';
import { Probe } from '../messages/task.ts';

/** Chosen by the engine, never used for another start of other content. Part of file names. */
export const InstanceId = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/);
export type InstanceId = z.infer<typeof InstanceId>;

/** A string that the kernel takes as an argument or variable: no NUL, below its 128 KiB limit. */
const ProcessText = z
  .string()
  .max(120_000)
  .refine((text) => !text.includes('\0'), 'must not contain a NUL character');

/** Whether and how fast an instance that ended by itself is started again. */
const RestartPolicy = z.strictObject({
  /** `on_failure`: not after exit code 0. */
  when: z.enum(['always', 'on_failure', 'never']).default('always'),
  firstDelayMs: z.int().min(10).max(60_000).default(500),
  delayMsMax: z.int().min(10).max(3_600_000).default(60_000),
  /** A run that lasted this long starts the back-off from the beginning again. */
  stableSeconds: z.int().min(1).max(3600).default(30),
});

/**
 * Whether a running process still does its work. Failing it `failureThreshold` times in a row ends
 * the process like a crash; one success clears the count, whatever `successThreshold` says. The
 * port that a probe names is that of the service; asked is the one that was reserved.
 */
const LivenessProbe = Probe.extend({
  /** The host name that an HTTP probe asks for. */
  host: z.string(),
});
export type LivenessProbe = z.infer<typeof LivenessProbe>;

/** One running copy of one release. */
export const InstanceSpec = z.strictObject({
  serviceId: idSchema<ServiceId>(),
  environmentId: idSchema<EnvironmentId>(),
  releaseId: idSchema<ReleaseId>(),
  /** The commit that it runs; every line it writes carries it. */
  version: z.string().max(200),
  /** Absolute path of the folder in which it starts. */
  cwd: ProcessText.refine((path) => path.startsWith('/'), 'must be an absolute path'),
  /** Never given to a shell. `$PORT` and `${PORT}` inside an argument become the port. */
  argv: z.array(ProcessText).min(1).max(1000),
  /**
   * All that it gets beside PATH, HOME, TMPDIR, PORT and the two marks PILOTFISH_INSTANCE_ID and
   * PILOTFISH_RUN_ID. May hold secrets: kept in a file of mode 0600, never in an answer.
   */
  env: z
    .record(z.string().regex(/^[^=\0]{1,500}$/, 'must be a variable name'), ProcessText)
    .refine((env) => Object.keys(env).length <= 2000, 'must have at most 2,000 variables'),
  /** Between SIGTERM and SIGKILL. */
  stopGraceSeconds: z.int().min(0).max(600).default(10),
  restart: RestartPolicy.prefault({}),
  /** Null: its process running is all that is asked. */
  liveness: LivenessProbe.nullable().default(null),
});
export type InstanceSpec = z.infer<typeof InstanceSpec>;
/** What a client has to say: everything with a default may be left out. */
export type InstanceSpecInput = z.input<typeof InstanceSpec>;

/**
 * - `starting`: accepted, its process does not exist yet;
 * - `running`: its process exists; whether it is healthy, the engine asks itself;
 * - `backing_off`: ended or could not be started, will be tried again at `nextStartAt`;
 * - `exited`: ended, and its policy says to leave it so;
 * - `stopped`: ended because somebody asked; after `stop-all` it starts again with the supervisor.
 */
export const InstanceState = z.enum(['starting', 'running', 'backing_off', 'exited', 'stopped']);
export type InstanceState = z.infer<typeof InstanceState>;

/**
 * How a run ended. Code and signal null: it ended while no supervisor was there to hear of it. A
 * command that can never be started ends as a shell would say it: 127 not found, 126 not executable.
 */
export const InstanceExit = z.looseObject({
  code: z.int().nullable(),
  signal: z.string().nullable(),
  /** A sentence for users where it did not end by itself: never started, or alive no more. */
  reason: z.string().exactOptional(),
  at: InstantText,
});
export type InstanceExit = z.infer<typeof InstanceExit>;

export const InstanceStatus = z.looseObject({
  instanceId: InstanceId,
  serviceId: idSchema<ServiceId>(),
  environmentId: idSchema<EnvironmentId>(),
  releaseId: idSchema<ReleaseId>(),
  version: z.string(),
  state: InstanceState,
  /** A stop was asked for and is under way. */
  stopping: z.boolean(),
  /** Also its process group and session; null while no process exists. */
  pid: z.int().positive().nullable(),
  /** On 127.0.0.1; the same for the life of the instance, over restarts of its process too. */
  port: z.int().min(1).max(65_535),
  startedAt: InstantText.nullable(),
  /** How often its process was started again because it had ended by itself. */
  restartCount: z.int().nonnegative(),
  nextStartAt: InstantText.nullable(),
  /** Of the latest run that ended. */
  exit: InstanceExit.nullable(),
  /** Why it is in this state where that is not obvious, for users; else empty. */
  message: z.string(),
  /** The newest lines it wrote, at most 20, each cut to 500 characters. */
  lastLines: z.array(z.string()),
});
export type InstanceStatus = z.infer<typeof InstanceStatus>;

export const InstanceList = z.looseObject({ instances: z.array(InstanceStatus) });
export type InstanceList = z.infer<typeof InstanceList>;

export const StopAll = z.strictObject({
  /** Caps every instance's own grace, so that Ctrl-C ends in known time. */
  graceSecondsMax: z.int().min(0).max(600).default(10),
});
export type StopAll = z.infer<typeof StopAll>;

/** Lines of one service, consecutive, in order. */
export const LogPage = z.looseObject({
  lines: z.array(LogLine),
  /** The oldest sequence still kept (0: none yet): a cursor below it has lost lines. */
  oldestSequence: z.int().nonnegative(),
  newestSequence: z.int().nonnegative(),
});
export type LogPage = z.infer<typeof LogPage>;

/** `after` left out means the newest `limit` lines. */
export const LogQuery = z.strictObject({
  after: z.coerce.number().int().nonnegative().optional(),
  limit: z.coerce.number().int().min(1).max(500).default(200),
});
export type LogQuery = z.infer<typeof LogQuery>;

/** A slow reader is disconnected rather than buffered for: reconnect and take the new snapshot. */
export const SupervisorEvent = z.discriminatedUnion('kind', [
  z.looseObject({
    kind: z.literal('snapshot'),
    instances: z.array(InstanceStatus),
    /** Newest sequence of each service that has lines. */
    logs: z.array(z.looseObject({ serviceId: idSchema<ServiceId>(), newestSequence: z.int() })),
  }),
  z.looseObject({ kind: z.literal('instance_changed'), instance: InstanceStatus }),
  z.looseObject({ kind: z.literal('instance_removed'), instanceId: InstanceId }),
  /** Doorbell, coalesced: `GET /logs/{serviceId}?after=` has more. */
  z.looseObject({
    kind: z.literal('log_written'),
    serviceId: idSchema<ServiceId>(),
    newestSequence: z.int().positive(),
  }),
]);
export type SupervisorEvent = z.infer<typeof SupervisorEvent>;
