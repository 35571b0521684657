/**
 * What the engine knows of its executions: the journal's rows in memory, changed only together
 * with the journal. Numbers events, and says which of them are on the disk.
 *
 * An event gets its number and its place in the journal's queue in the same instant, and is
 * published only when that write is durable. So after a crash the numbers on the disk have no gap,
 * and a number that anybody has seen is never given to something else.
 */
import type { EnvironmentTask, Explanation } from '@pilotfish/contracts';
import type { StepName } from '@pilotfish/domain-deploy';
import {
  assert,
  type Clock,
  type EnvironmentId,
  type ExecutionId,
  type ServiceId,
} from '@pilotfish/kernel';
import type {
  CancelMode,
  ExecutionRow,
  ExecutionState,
  JournalChange,
  JournalContents,
  StepRow,
} from '../journal/change.ts';
import type { Journal } from '../journal/journal.ts';
import { cleanEvent, type EventBody, type LineBody, type NumberedEvent } from './event-body.ts';
import { applyCancel, type Execution, isOpen, stepKey, toExecution } from './execution.ts';

/** Lines wait this long for company before they are written and published. */
const lineDelayMs = 15;
/** Lines of one execution beyond this are dropped, with a mark. */
const linesMax = 20_000;
/** Confirmed executions that stay known, so that a late duplicate is recognised. */
const confirmedKept = 1000;

/** What one transition writes, all of it or nothing. */
export interface Transition {
  readonly state?: ExecutionState;
  readonly steps?: readonly {
    readonly serviceId: ServiceId;
    readonly step: StepName;
    readonly state: StepRow['state'];
    readonly explanation?: Explanation;
  }[];
  readonly events?: readonly EventBody[];
}

export interface Ledger {
  find(executionId: ExecutionId): Execution | undefined;
  /** All that are neither confirmed nor forgotten, oldest first. */
  unconfirmed(): readonly Execution[];
  /** The highest generation accepted per environment. */
  generations(): ReadonlyMap<
    EnvironmentId,
    { readonly generation: number; readonly epoch: number }
  >;
  highestEpoch(): number;
  raiseEpoch(epoch: number): Promise<void>;
  /** Takes a new execution in; the task may be acked when this resolves. */
  receive(row: ExecutionRow, options?: ReceiveOptions): Promise<Execution>;
  /** How many deletions of environments of older epochs were taken in under the highest one. */
  inheritedDeletions(): number;
  /** The control plane issued a known execution again: reports are repeated above its floor. */
  reissue(execution: Execution, task: ReissuedTask): Promise<void>;
  /** Resolves when it is durable. */
  record(execution: Execution, transition: Transition): Promise<void>;
  /** Written soon, with others; dropped beyond a limit. */
  line(execution: Execution, line: LineBody): void;
  /** @returns false where it is over already, or was asked for before */
  cancel(execution: Execution, mode: Exclude<CancelMode, 'none'>): Promise<boolean>;
  confirm(executionId: ExecutionId, sequence: number): Promise<void>;
}

export interface ReceiveOptions {
  /** Written with it, numbered from above its floor: the terminal event of a refusal. */
  readonly events?: readonly EventBody[];
  readonly inheritedDeletion?: boolean;
}

export interface ReissuedTask {
  readonly epoch: number;
  readonly lease: number;
  readonly attempt: number;
  readonly sequenceFloor: number;
  /** Its secrets are sealed anew; null leaves the stored task. */
  readonly task: EnvironmentTask | null;
}

export interface LedgerDeps {
  readonly journal: Pick<Journal, 'commit' | 'readEvents'>;
  readonly clock: Clock;
  readonly contents: JournalContents;
  /** Called when events of an execution became durable, were confirmed or must be repeated. */
  readonly onPublishable: (execution: Execution) => void;
}

export function createLedger(deps: LedgerDeps): Ledger {
  const { journal, clock, contents, onPublishable } = deps;
  const executions = loadExecutions(contents);
  const generations = new Map(contents.environments.map((row) => [row.environmentId, row]));
  let highestEpoch = Number(contents.meta.highest_epoch ?? 0);
  let inherited = parseInherited(contents.meta.inherited_deletions);
  let confirmedSincePrune = 0;
  const write = createWriteQueue({ journal, clock, onPublishable });

  function raiseEpochChanges(epoch: number): JournalChange[] {
    if (epoch <= highestEpoch) return [];
    highestEpoch = epoch;
    return [{ kind: 'meta_set', key: 'highest_epoch', value: String(epoch) }];
  }

  function countDeletion(): JournalChange[] {
    const count = inherited.epoch === highestEpoch ? inherited.count + 1 : 1;
    inherited = { epoch: highestEpoch, count };
    return [{ kind: 'meta_set', key: 'inherited_deletions', value: `${highestEpoch}:${count}` }];
  }

  const ledger: Ledger = {
    find: (executionId) => executions.get(executionId),
    unconfirmed: () => [...executions.values()].filter(({ state }) => state !== 'confirmed'),
    generations: () => generations,
    highestEpoch: () => highestEpoch,
    raiseEpoch: (epoch) => write.now(raiseEpochChanges(epoch)),
    inheritedDeletions: () => (inherited.epoch === highestEpoch ? inherited.count : 0),
    async receive(row, { events = [], inheritedDeletion = false } = {}) {
      assert(!executions.has(row.executionId), `execution ${row.executionId} is new`);
      // Numbered by `numberEvents`, which counts on from the row's floor.
      const execution = toExecution(row);
      executions.set(row.executionId, execution);
      if (row.task !== null) {
        const { environmentId, generation, epoch } = row;
        generations.set(environmentId, { environmentId, generation, epoch });
      }
      const epochChanges = raiseEpochChanges(row.epoch);
      await write.now(
        [
          ...epochChanges,
          ...(inheritedDeletion ? countDeletion() : []),
          { kind: 'execution_received', row },
          ...numberEvents(execution, events, clock),
        ],
        execution,
      );
      return execution;
    },
    async reissue(execution, task) {
      const restated = await terminalToRestate(journal, execution, task.sequenceFloor);
      const changes = [...raiseEpochChanges(task.epoch), ...reissueChanges(execution, task)];
      if (restated !== null) {
        const { executionId } = execution;
        execution.state = 'reported';
        changes.push(
          { kind: 'state_changed', executionId, state: 'reported' },
          ...numberEvents(execution, [restated], clock),
        );
      }
      await write.now(changes, execution);
      onPublishable(execution);
    },
    async record(execution, { state, steps = [], events = [] }) {
      const { executionId } = execution;
      const changes: JournalChange[] = steps.map((step) => {
        const row: StepRow = { executionId, explanation: null, ...step };
        execution.steps.set(stepKey(row.serviceId, row.step), row);
        return { kind: 'step_changed', row };
      });
      changes.push(...numberEvents(execution, events, clock));
      if (state !== undefined) {
        execution.state = state;
        changes.push({ kind: 'state_changed', executionId, state });
        if (!isOpen(execution)) forgetWork(execution);
      }
      await write.now(changes, execution);
    },
    line(execution, line) {
      // Late output of a step that was given up: nothing follows a terminal event.
      if (!isOpen(execution)) return;
      execution.lineCount += 1;
      if (execution.lineCount > linesMax + 1) return;
      const event: EventBody =
        execution.lineCount <= linesMax
          ? line
          : { ...line, severity: 'WARNING', text: `Only the first ${linesMax} lines are kept` };
      write.soon(numberEvents(execution, [event], clock), execution);
    },
    async cancel(execution, mode) {
      if (!isOpen(execution) || execution.cancel === mode || execution.cancel === 'force') {
        return false;
      }
      // Takes effect at once and not after the disk: the journal only carries it over a restart.
      applyCancel(execution, mode);
      const { executionId } = execution;
      await write.now([{ kind: 'cancel_requested', executionId, cancel: mode }], execution);
      return true;
    },
    async confirm(executionId, sequence) {
      const execution = executions.get(executionId);
      if (execution === undefined || sequence <= execution.confirmedSequence) return;
      // Never beyond what was published: such a confirmation is not about our events.
      if (sequence > execution.durableSequence) return;
      execution.confirmedSequence = sequence;
      const complete = execution.state === 'reported' && sequence === execution.lastSequence;
      if (complete) execution.state = 'confirmed';
      const changes: JournalChange[] = [
        { kind: 'events_confirmed', executionId, sequence, complete },
      ];
      if (complete && ++confirmedSincePrune >= 100) {
        confirmedSincePrune = 0;
        changes.push({ kind: 'executions_pruned', keep: confirmedKept });
      }
      await write.now(changes, execution);
    },
  };
  return ledger;
}

function parseInherited(text = '0:0'): { epoch: number; count: number } {
  const [epoch = 0, count = 0] = text.split(':').map(Number);
  return { epoch, count };
}

function loadExecutions(contents: JournalContents): Map<ExecutionId, Execution> {
  const steps = Map.groupBy(contents.steps, ({ executionId }) => executionId);
  const milestones = Map.groupBy(contents.milestones, ({ executionId }) => executionId);
  return new Map(
    contents.executions.map((row) => [
      row.executionId,
      toExecution(row, steps.get(row.executionId), milestones.get(row.executionId)),
    ]),
  );
}

function numberEvents(
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
async function terminalToRestate(
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

function reissueChanges(execution: Execution, task: ReissuedTask): JournalChange[] {
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

function forgetWork(execution: Execution): void {
  execution.task = null;
  execution.milestones = [];
  execution.steps.clear();
  execution.secrets.clear();
}

interface WriteQueueDeps extends Pick<LedgerDeps, 'journal' | 'clock' | 'onPublishable'> {}

/** Keeps changes in order while lines wait for company. */
function createWriteQueue({ journal, clock, onPublishable }: WriteQueueDeps) {
  let waiting: JournalChange[] = [];
  let touched = new Set<Execution>();
  let timer: AbortController | null = null;

  async function flush(): Promise<void> {
    timer?.abort();
    timer = null;
    const changes = waiting;
    const written = [...touched].map((execution) => ({
      execution,
      sequence: execution.lastSequence,
    }));
    waiting = [];
    touched = new Set();
    await journal.commit(changes);
    for (const { execution, sequence } of written) {
      if (sequence > execution.durableSequence) execution.durableSequence = sequence;
      if (execution.durableSequence > execution.confirmedSequence) onPublishable(execution);
    }
  }

  return {
    now(changes: readonly JournalChange[], execution?: Execution): Promise<void> {
      waiting.push(...changes);
      if (execution !== undefined) touched.add(execution);
      return flush();
    },
    soon(changes: readonly JournalChange[], execution: Execution): void {
      waiting.push(...changes);
      touched.add(execution);
      if (timer !== null) return;
      const alarm = new AbortController();
      timer = alarm;
      clock.sleep(lineDelayMs, alarm.signal).then(
        // A journal that died ends the process by its own word.
        () => flush().catch(() => {}),
        () => {},
      );
    },
  };
}
