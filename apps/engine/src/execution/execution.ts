import type { EnvironmentTask } from '@pilotfish/contracts';
import type { StepName } from '@pilotfish/domain-deploy';
import type { EnvironmentId, ExecutionId, ServiceId } from '@pilotfish/kernel';
import type {
  CancelMode,
  EventRow,
  ExecutionRow,
  ExecutionState,
  StepRow,
} from '../journal/change.ts';
import type { NumberedEvent } from './event-body.ts';
import { createScrubber } from './scrubber.ts';

/** One execution in memory. Only the ledger changes it, always together with the journal. */
export interface Execution {
  readonly executionId: ExecutionId;
  readonly environmentId: EnvironmentId;
  /** Identity and envelope; the fields below are the live ones. */
  row: Omit<ExecutionRow, 'state' | 'cancel' | 'lastSequence' | 'confirmedSequence' | 'task'>;
  state: ExecutionState;
  cancel: CancelMode;
  /** Null from `reported` on, and where it was refused. */
  task: EnvironmentTask | null;
  /** The number of the newest event. */
  lastSequence: number;
  /** The number of the newest event that is on the disk: up to here may be published. */
  durableSequence: number;
  confirmedSequence: number;
  /** Grows when everything unconfirmed must be published again, under a new attempt. */
  publication: number;
  /** Everything but lines, in order. */
  milestones: NumberedEvent[];
  readonly steps: Map<string, StepRow>;
  lineCount: number;
  /** Opened secrets of its services, hidden in every text about it. */
  readonly secrets: Set<string>;
  scrub: (text: string) => string;
  /** Aborted by the first request to cancel. */
  readonly safeCancel: AbortController;
  /** Aborted by a request to stop everything of it. */
  readonly forceCancel: AbortController;
}

/** Takes an execution into memory, new or as the journal has it. */
export function toExecution(
  row: ExecutionRow,
  steps: readonly StepRow[] = [],
  milestones: readonly EventRow[] = [],
): Execution {
  const { state, cancel, task, lastSequence, confirmedSequence, ...identity } = row;
  const execution: Execution = {
    executionId: row.executionId,
    environmentId: row.environmentId,
    row: identity,
    state,
    cancel,
    task,
    lastSequence,
    durableSequence: lastSequence,
    confirmedSequence,
    publication: 0,
    milestones: milestones.map(({ body }) => JSON.parse(body) as NumberedEvent),
    steps: new Map(steps.map((step) => [stepKey(step.serviceId, step.step), step])),
    lineCount: 0,
    secrets: new Set(),
    scrub: (text) => text,
    safeCancel: new AbortController(),
    forceCancel: new AbortController(),
  };
  applyCancel(execution, cancel);
  return execution;
}

/** From here on these values appear in no text about the execution. */
export function hideSecrets(execution: Execution, values: Iterable<string>): void {
  for (const value of values) execution.secrets.add(value);
  execution.scrub = createScrubber(execution.secrets);
}

export function applyCancel(execution: Execution, cancel: CancelMode): void {
  execution.cancel = cancel;
  if (cancel !== 'none') execution.safeCancel.abort(new CancelRequested());
  if (cancel === 'force') execution.forceCancel.abort(new CancelRequested());
}

/** The reason of a signal that was aborted because somebody canceled the execution. */
class CancelRequested extends Error {
  override readonly name = 'CancelRequested';
  override readonly message = 'The execution was canceled';
}

export function stepOf(
  execution: Execution,
  serviceId: ServiceId,
  step: StepName,
): StepRow | undefined {
  return execution.steps.get(stepKey(serviceId, step));
}

export function stepKey(serviceId: ServiceId, step: StepName): string {
  return `${serviceId}/${step}`;
}

/** True while there is something left to execute. */
export function isOpen(execution: Execution): boolean {
  return execution.state !== 'reported' && execution.state !== 'confirmed';
}
