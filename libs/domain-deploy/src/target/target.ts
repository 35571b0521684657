import type { CauseClass, Explanation, ServiceTask } from '@pilotfish/contracts';
import type {
  EnvironmentId,
  ExecutionId,
  OrganizationId,
  ProjectId,
  ReleaseId,
  ServiceId,
} from '@pilotfish/kernel';

/**
 * The port through which an engine changes and reads the place it deploys to. Every target
 * (process, docker, kubernetes) passes one contract suite. All methods are idempotent: after a
 * crash the executor calls the step again that was under way, and its effect happens once.
 */
export interface Target {
  readonly kind: 'process' | 'docker' | 'kubernetes';
  /** Probed once at start, shown and stored with each deployment, never silently lowered. */
  readonly isolation: 'T0' | 'T1' | 'T2';
  /** What really is there of one environment, read back from the target and not from memory. */
  observe(environmentId: EnvironmentId, signal: AbortSignal): Promise<readonly ObservedService[]>;
  /**
   * Carries out one step. Returns a failure that retrying will not mend; throws a retryable Fault
   * for one that the engine should try again; rejects with the signal's reason when canceled,
   * having stopped what this step started and nothing else.
   */
  run(step: Step, context: StepContext): Promise<StepOutcome>;
  /**
   * Ends what a killed engine left of these executions' unfinished steps (builds, candidates that
   * never got traffic). Called once at start, before anything is resumed.
   */
  sweep(openExecutions: ReadonlySet<ExecutionId>, signal: AbortSignal): Promise<void>;
}

/** One service as the target has it. */
export interface ObservedService {
  readonly serviceId: ServiceId;
  /** The release that traffic goes to; null where nothing serves. */
  readonly servingReleaseId: ReleaseId | null;
  /** Releases with running instances, serving or not. */
  readonly runningReleaseIds: readonly ReleaseId[];
}

/** The verbs of a deployment. A plan is a list of these per service. */
export type StepName =
  /** Make the release's artefact present: fetch, plan, build; reuses a kept one. */
  | 'build'
  /** Start the release beside what serves. */
  | 'start'
  /** Wait until the started release passes its probes. */
  | 'await_healthy'
  /** Send traffic to it. From here on the old release serves nobody new. */
  | 'switch'
  /** Drain and stop every other release of the service; drop artefacts beyond those kept. */
  | 'retire'
  /** Take traffic away and stop all instances; configuration and artefacts stay. */
  | 'stop'
  /** Remove everything that was ever created for the service, and nothing else. */
  | 'delete'
  /** Stop what `start` started: the way back after a failure before `switch`. */
  | 'abandon';

export interface Step {
  readonly name: StepName;
  readonly service: ServiceTask;
}

/** A secret-free identity plus what the step may use while it runs. */
export interface StepContext {
  readonly organizationId: OrganizationId;
  readonly projectId: ProjectId;
  readonly environmentId: EnvironmentId;
  readonly executionId: ExecutionId;
  /** W3C `traceparent` of what caused the execution: the same whenever one of its steps is repeated. */
  readonly trace: string | null;
  /** Opened secrets of the release, by variable name; never logged, never on an argv. */
  readonly secrets: Readonly<Record<string, string>>;
  /** Opened password for the source, if it has one. */
  readonly sourcePassword: string | undefined;
  /** Tells the user something; secrets are scrubbed by the receiver as well. */
  report(line: StepLine): void;
  readonly signal: AbortSignal;
}

export interface StepLine {
  readonly step: 'FETCH' | 'PLAN' | 'BUILD' | 'START' | 'HEALTH' | 'SWITCH' | 'STOP' | 'DELETE';
  readonly severity: 'INFO' | 'WARNING' | 'ERROR';
  readonly text: string;
  readonly detail?: string;
}

export type StepOutcome =
  | { readonly ok: true }
  | { readonly ok: false; readonly explanation: Explanation };

/** A failed step with everything a user needs. */
export function failedStep(
  cause: CauseClass,
  summary: string,
  suggestion: string,
  lines: readonly string[] = [],
): StepOutcome {
  return { ok: false, explanation: { cause, summary, lines: lines.slice(-40), suggestion } };
}
