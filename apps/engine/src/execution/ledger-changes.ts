import type { EnvironmentTask } from '@pilotfish/contracts';
import type { Clock } from '@pilotfish/kernel';
import type { JournalChange } from '../journal/change.ts';
import type { Journal } from '../journal/journal.ts';
import { cleanEvent, type EventBody, type NumberedEvent } from './event-body.ts';
import { type Execution, isOpen } from './execution.ts';

/** What a control plane says when it issues a known execution again. */
export interface ReissuedTask {
  readonly epoch: number;
  readonly lease: number;
  readonly attempt: number;
  readonly sequenceFloor: number;
  /** Its secrets are sealed anew; null leaves the stored task. */
  readonly task: EnvironmentTask | null;
}

/** Gives each event the next number, in the order in which the journal gets them. */
export function numberEvents(
  execution: Execution,
  events: readonly EventBody[],
  clock: Clock,
): JournalChange[] {
  return events.map((event) => {
    execution.lastSequence += 1;
    const numbered: NumberedEvent = {
      sequence: execution.lastSequence,
      at: clock.now().toString({ smallestUnit: 'millisecond' }),
      ...cleanEvent(event, execution.scrub),
    };
    const isLine = event.kind === 'line';
    if (!isLine) execution.milestones.push(numbered);
    return {
      kind: 'event_recorded',
      row: {
        executionId: execution.executionId,
        sequence: numbered.sequence,
        isLine,
        body: JSON.stringify(numbered),
      },
    };
  });
}

/**
 * A control plane that counts further than this journal (an older copy of it was put back) has not
 * got our terminal event, whose number is below what it listens to: it is told once more above.
 */
export async function terminalToRestate(
  journal: Pick<Journal, 'readEvents'>,
  execution: Execution,
  floor: number,
): Promise<EventBody | null> {
  const { lastSequence, executionId } = execution;
  if (isOpen(execution) || floor <= lastSequence) return null;
  const [terminal] = await journal.readEvents(executionId, lastSequence - 1, 1);
  if (terminal === undefined) return null;
  const { sequence: _, at: __, ...body } = JSON.parse(terminal.body) as NumberedEvent;
  return body;
}

export function reissueChanges(execution: Execution, task: ReissuedTask): JournalChange[] {
  const { epoch, lease, attempt, sequenceFloor: floor } = task;
  execution.row = { ...execution.row, epoch, lease, attempt };
  execution.publication += 1;
  // A control plane that was restored from a backup knows less than it had confirmed: it hears
  // everything above its floor again. One that knows more than this journal (an older copy of it)
  // is counted on from.
  execution.confirmedSequence = floor;
  if (isOpen(execution)) {
    if (task.task !== null) execution.task = task.task;
  } else {
    execution.state = floor < execution.lastSequence ? 'reported' : 'confirmed';
  }
  execution.lastSequence = Math.max(execution.lastSequence, floor);
  execution.durableSequence = Math.max(execution.durableSequence, floor);
  return [
    {
      kind: 'execution_reissued',
      executionId: execution.executionId,
      epoch,
      lease,
      attempt,
      lastSequence: execution.lastSequence,
      confirmedSequence: floor,
      state: execution.state,
      task: isOpen(execution) ? task.task : null,
    },
  ];
}

/** What only an execution under way needs; with it go its opened secrets. */
export function forgetWork(execution: Execution): void {
  execution.task = null;
  execution.milestones = [];
  execution.steps.clear();
  execution.secrets.clear();
  execution.scrub = (text) => text;
}
