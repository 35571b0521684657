/**
 * Pulls one task whenever a slot is free: decide → journal (fsynced) → ack. Nothing is acked that
 * would be lost with this process, and nothing is decided by what only this process remembers.
 */
import type { ReceivedTask } from '@pilotfish/bus';
import { type MessageDefinition, messages } from '@pilotfish/contracts';
import { type Clock, type ClusterId, toFault } from '@pilotfish/kernel';
import type { Logger } from '@pilotfish/runtime';
import type { Execution } from '../execution/execution.ts';
import { isOpen } from '../execution/execution.ts';
import type { Ledger } from '../execution/ledger.ts';
import type { Runner } from '../execution/runner.ts';
import type { TaskKinds } from '../execution/task-kinds.ts';
import {
  decideIntake,
  type EngineMemory,
  isInheritedDeletion,
  TaskHeader,
} from './decide-intake.ts';
import { rowOf } from './row-of.ts';

type TaskSubject = (typeof messages.environmentTask)['subject'];

/**
 * As in the registry, but read only as far as an answer needs: a task of a later protocol or kind
 * has to be refused in words, not dropped.
 */
export const anyTask: MessageDefinition<TaskSubject, TaskHeader> = {
  ...messages.environmentTask,
  body: TaskHeader,
  reply: null,
};

export interface TaskSource {
  /** The next task, or null where none came for a while. Rejects while there is no connection. */
  fetch(signal: AbortSignal): Promise<ReceivedTask<TaskSubject, TaskHeader> | null>;
  /** Resolves while this engine may work: connected and not refused. */
  allowed(signal: AbortSignal): Promise<void>;
}

export interface IntakeDeps {
  readonly source: TaskSource;
  readonly ledger: Ledger;
  readonly runner: Pick<Runner, 'submit' | 'slotFree'>;
  readonly kinds: TaskKinds;
  readonly clusterId: ClusterId;
  readonly isolation: 'T0' | 'T1' | 'T2';
  readonly clock: Clock;
  readonly logger: Logger;
}

const retryDelayMs = 1000;

/** Runs until aborted; never rejects. */
export async function runIntake(deps: IntakeDeps, signal: AbortSignal): Promise<void> {
  const { source, runner, clock, logger } = deps;
  while (!signal.aborted) {
    try {
      await source.allowed(signal);
      await runner.slotFree(signal);
      const received = await source.fetch(signal);
      if (received !== null) await takeIn(deps, received);
    } catch (error) {
      if (signal.aborted) return;
      const fault = toFault(error);
      if (!fault.retryable) logger.error({ err: error }, 'a task could not be taken in');
      await clock.sleep(retryDelayMs, signal).catch(() => undefined);
    }
  }
}

type Taken = Pick<ReceivedTask<TaskSubject, TaskHeader>, 'body' | 'ack'>;

/** One task, up to and with its ack. @throws where it could not be made durable: it comes again */
async function takeIn(deps: IntakeDeps, { body: header, ack }: Taken): Promise<void> {
  const { ledger, runner, kinds, logger } = deps;
  const known = ledger.find(header.executionId);
  const memory = memoryOf(deps, header, known);
  const { executionId, generation, attempt, environmentId } = header;
  const decision = decideIntake(header, memory);
  const context = { executionId, environmentId, generation, attempt, trace: header.trace };
  switch (decision.kind) {
    case 'execute': {
      const task = kinds.parse(header);
      if (task === null) {
        await refuse(deps, header, `The ${header.kind} task does not fit its contract`);
        break;
      }
      const inheritedDeletion = isInheritedDeletion(header, memory);
      const execution = await ledger.receive(rowOf(header, task), { inheritedDeletion });
      logger.info(context, 'task received');
      runner.submit(execution);
      break;
    }
    case 'ignore':
      logger.info({ ...context, reason: decision.reason }, 'task ignored');
      break;
    case 'reissued':
      if (known !== undefined) await reissue(deps, known, header);
      logger.info(context, 'task issued again, its reports are repeated');
      break;
    case 'refuse':
      logger.warn({ ...context, reason: decision.reason }, 'task refused');
      await refuse(deps, header, decision.reason);
      break;
  }
  ack();
}

async function reissue({ ledger, kinds }: IntakeDeps, known: Execution, header: TaskHeader) {
  const { epoch, lease, attempt, sequenceFloor } = header;
  // The secrets of a task that still runs may be sealed to a newer key than before.
  const task = isOpen(known) ? kinds.parse(header) : null;
  await ledger.reissue(known, { epoch, lease, attempt, sequenceFloor, task });
}

async function refuse(deps: IntakeDeps, header: TaskHeader, reason: string): Promise<void> {
  const { ledger, isolation } = deps;
  const epoch = Math.min(header.epoch, ledger.highestEpoch());
  await ledger.receive(
    { ...rowOf(header, null), epoch, state: 'reported' },
    { events: [{ kind: 'execution_ended', outcome: 'REFUSED', summary: reason, isolation }] },
  );
}

function memoryOf(
  { ledger, kinds, clusterId }: IntakeDeps,
  header: TaskHeader,
  known: Execution | undefined,
): EngineMemory {
  const generations = ledger.generations();
  const highestEpoch = ledger.highestEpoch();
  let inheritedEnvironments = 0;
  for (const { epoch } of generations.values())
    if (epoch < highestEpoch) inheritedEnvironments += 1;
  return {
    clusterId,
    taskKinds: kinds.names,
    highestEpoch,
    knownAttempt: known?.row.attempt,
    environment: generations.get(header.environmentId),
    inheritedEnvironments,
    inheritedDeletions: ledger.inheritedDeletions(),
  };
}
