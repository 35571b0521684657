/** What becomes of a task that was pulled. Pure: the intake loop carries it out. */
import { Envelope, idSchema, protocol } from '@pilotfish/contracts';
import type {
  ClusterId,
  EnvironmentId,
  ExecutionId,
  OrganizationId,
  ProjectId,
} from '@pilotfish/kernel';
import { z } from 'zod';

/**
 * What every task carries, whatever its kind and version: enough to answer even one that this
 * engine cannot execute.
 */
export const TaskHeader = Envelope.extend({
  v: z.int(),
  kind: z.string(),
  clusterId: idSchema<ClusterId>(),
  organizationId: idSchema<OrganizationId>(),
  projectId: idSchema<ProjectId>(),
  environmentId: idSchema<EnvironmentId>(),
  executionId: idSchema<ExecutionId>(),
  action: z.string(),
  sequenceFloor: z.int().nonnegative(),
  /** Somebody was asked whether this environment shall really go. */
  deletionConfirmed: z.boolean().exactOptional(),
});
export type TaskHeader = z.infer<typeof TaskHeader>;

export interface EngineMemory {
  readonly clusterId: ClusterId;
  readonly taskKinds: ReadonlySet<string>;
  readonly highestEpoch: number;
  /** Where the execution is known: its newest attempt. */
  readonly knownAttempt: number | undefined;
  /** The highest generation accepted for the environment, and under which epoch; undefined: none. */
  readonly environment: { readonly generation: number; readonly epoch: number } | undefined;
  /** Environments that were accepted under an epoch older than the highest one and still stand. */
  readonly inheritedEnvironments: number;
  /** How many of those were given up under the highest epoch without a confirmation. */
  readonly inheritedDeletions: number;
}

export type IntakeDecision =
  | { readonly kind: 'execute' }
  /** Known, and nothing newer about it: acked, nothing else. */
  | { readonly kind: 'ignore'; readonly reason: string }
  /** Known, issued again: its reports are repeated. */
  | { readonly kind: 'reissued' }
  | { readonly kind: 'refuse'; readonly reason: string };

export function decideIntake(task: TaskHeader, memory: EngineMemory): IntakeDecision {
  const refuse = (reason: string): IntakeDecision => ({ kind: 'refuse', reason });
  if (task.clusterId !== memory.clusterId) return refuse('The task is for another cluster');
  if (memory.knownAttempt !== undefined) return decideKnown(task, memory.knownAttempt, memory);
  if (task.v < protocol.oldest || task.v > protocol.current) {
    const range = `${protocol.oldest} to ${protocol.current}`;
    return refuse(`The task speaks protocol ${task.v}, this engine ${range}: update the engine`);
  }
  if (task.epoch < memory.highestEpoch) {
    return refuse(
      `The task is of epoch ${task.epoch}, this engine has seen ${memory.highestEpoch}`,
    );
  }
  if (!memory.taskKinds.has(task.kind)) {
    return refuse(`This engine cannot execute tasks of kind ${task.kind}`);
  }
  const { environment } = memory;
  if (environment !== undefined && task.generation <= environment.generation) {
    return refuse(
      `The task is of generation ${task.generation}, this engine has seen ${environment.generation}`,
    );
  }
  return isMassDeletion(task, memory)
    ? refuse(
        'Nothing was deleted: a control plane that was restored or has just taken over asked to delete unusually many environments from before. If this one shall really go, delete it again: a deletion asked for from now on is confirmed',
      )
    : { kind: 'execute' };
}

/** Never a second terminal event: a known execution is answered by its own reports, or not at all. */
function decideKnown(task: TaskHeader, attempt: number, memory: EngineMemory): IntakeDecision {
  if (task.epoch < memory.highestEpoch) return { kind: 'ignore', reason: 'of an older epoch' };
  if (task.attempt <= attempt) return { kind: 'ignore', reason: 'a duplicate' };
  return { kind: 'reissued' };
}

/** Of the environments of an older epoch, so many may go, or a tenth of them, unconfirmed. */
const inheritedDeletionsMin = 3;

/**
 * A control plane under a new epoch may have lost its memory; one environment that it deletes may
 * be somebody's wish, many are more likely its mistake.
 */
export function isInheritedDeletion(
  task: TaskHeader,
  memory: Pick<EngineMemory, 'environment'>,
): boolean {
  return (
    task.action === 'DELETE' &&
    task.deletionConfirmed !== true &&
    memory.environment !== undefined &&
    memory.environment.epoch < task.epoch
  );
}

function isMassDeletion(task: TaskHeader, memory: EngineMemory): boolean {
  if (!isInheritedDeletion(task, memory)) return false;
  const budget = Math.max(inheritedDeletionsMin, Math.floor(memory.inheritedEnvironments / 10));
  // Under a newer epoch than any before, counting begins anew.
  const used = task.epoch > memory.highestEpoch ? 0 : memory.inheritedDeletions;
  return used >= budget;
}
