import type { EnvironmentTask, Explanation } from '@pilotfish/contracts';
import type { StepName } from '@pilotfish/domain-deploy';
import type {
  EnvironmentId,
  ExecutionId,
  OrganizationId,
  ProjectId,
  ServiceId,
} from '@pilotfish/kernel';

/**
 * The life of an execution here. `reported`: its terminal event is journalled. `confirmed`: the
 * control plane has committed that event, nothing is owed any more.
 */
export type ExecutionState = 'received' | 'planned' | 'executing' | 'reported' | 'confirmed';

/** How strongly somebody asked for the end of an execution; only ever rises. */
export type CancelMode = 'none' | 'safe' | 'force';

/** One execution as the journal keeps it. */
export interface ExecutionRow {
  readonly executionId: ExecutionId;
  readonly organizationId: OrganizationId;
  readonly projectId: ProjectId;
  readonly environmentId: EnvironmentId;
  readonly epoch: number;
  readonly generation: number;
  readonly lease: number;
  readonly attempt: number;
  readonly trace: string | null;
  readonly state: ExecutionState;
  readonly cancel: CancelMode;
  /** The highest sequence that was ever given to an event; survives the release of events. */
  readonly lastSequence: number;
  /** Everything up to here is committed by the control plane. */
  readonly confirmedSequence: number;
  /** Null where the task was refused, and once everything is confirmed. */
  readonly task: EnvironmentTask | null;
}

/** A step that was begun. After a crash, `done` and `failed` ones are not carried out again. */
export interface StepRow {
  readonly executionId: ExecutionId;
  readonly serviceId: ServiceId;
  readonly step: StepName;
  readonly state: 'started' | 'done' | 'failed';
  /** Why it failed; null otherwise. */
  readonly explanation: Explanation | null;
}

/** An event with its number; `body` is the JSON that travels. */
export interface EventRow {
  readonly executionId: ExecutionId;
  readonly sequence: number;
  /** Lines are dropped once confirmed; the few others stay as long as their execution does. */
  readonly isLine: boolean;
  readonly body: string;
}

/** One write. Those of one `commit` become durable together or not at all. */
export type JournalChange =
  | { readonly kind: 'execution_received'; readonly row: ExecutionRow }
  | {
      /** The control plane issued it again, with a higher attempt. */
      readonly kind: 'execution_reissued';
      readonly executionId: ExecutionId;
      readonly epoch: number;
      readonly lease: number;
      readonly attempt: number;
      readonly lastSequence: number;
      readonly confirmedSequence: number;
      readonly state: ExecutionState;
      /** Null leaves the stored one. */
      readonly task: EnvironmentTask | null;
    }
  | {
      readonly kind: 'state_changed';
      readonly executionId: ExecutionId;
      readonly state: ExecutionState;
    }
  | { readonly kind: 'step_changed'; readonly row: StepRow }
  | { readonly kind: 'event_recorded'; readonly row: EventRow }
  | {
      readonly kind: 'events_confirmed';
      readonly executionId: ExecutionId;
      readonly sequence: number;
      /** True where that includes the terminal event. */
      readonly complete: boolean;
    }
  | {
      readonly kind: 'cancel_requested';
      readonly executionId: ExecutionId;
      readonly cancel: CancelMode;
    }
  | { readonly kind: 'meta_set'; readonly key: MetaKey; readonly value: string }
  | {
      readonly kind: 'log_cursor_moved';
      readonly serviceId: ServiceId;
      readonly sequence: number;
    }
  | { readonly kind: 'executions_forgotten'; readonly executionIds: readonly ExecutionId[] };

/** `inherited_deletions`: `epoch:count`, see `decideIntake`. */
export type MetaKey = 'engine_id' | 'highest_epoch' | 'inherited_deletions';

/** The highest generation that was accepted for an environment, and under which epoch. */
export interface EnvironmentRow {
  readonly environmentId: EnvironmentId;
  readonly generation: number;
  readonly epoch: number;
}

/** Everything that a starting engine needs to go on. */
export interface JournalContents {
  readonly meta: Readonly<Partial<Record<MetaKey, string>>>;
  readonly environments: readonly EnvironmentRow[];
  /** Tasks only of those not yet `reported`. */
  readonly executions: readonly ExecutionRow[];
  /** Of executions that are not yet `reported`. */
  readonly steps: readonly StepRow[];
  /** All but lines, of executions that are not yet `reported`, in order. */
  readonly milestones: readonly EventRow[];
  readonly logCursors: readonly { readonly serviceId: ServiceId; readonly sequence: number }[];
}
