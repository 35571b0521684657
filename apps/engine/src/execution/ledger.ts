/**
 * What the engine knows of its executions: the journal's rows in memory, changed only together
 * with the journal. Numbers events, and says which of them are on the disk.
 *
 * An event gets its number and its place in the journal's queue in the same instant, and is
 * published only when that write is durable. So after a crash the numbers on the disk have no gap,
 * and a number that anybody has seen is never given to something else.
 */
import type { Explanation } from '@pilotfish/contracts';
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
  EnvironmentRow,
  ExecutionRow,
  ExecutionState,
  JournalChange,
  JournalContents,
  StepRow,
} from '../journal/change.ts';
import type { Journal } from '../journal/journal.ts';
import type { EventBody, LineBody } from './event-body.ts';
import { applyCancel, type Execution, isOpen, stepKey, toExecution } from './execution.ts';
import {
  forgetWork,
  numberEvents,
  type ReissuedTask,
  reissueChanges,
  terminalToRestate,
} from './ledger-changes.ts';
import { createWriteQueue, type WriteQueue } from './write-queue.ts';

/** Lines of one execution beyond this are dropped, with a mark. */
const linesMax = 20_000;
/** Confirmed executions that stay known, so that a late duplicate is recognised. */
const confirmedKept = 1000;
const forgetEvery = 100;

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
  generations(): ReadonlyMap<EnvironmentId, EnvironmentRow>;
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

export interface LedgerDeps {
  readonly journal: Pick<Journal, 'commit' | 'readEvents'>;
  readonly clock: Clock;
  readonly contents: JournalContents;
  /** Called when events of an execution became durable, were confirmed or must be repeated. */
  readonly onPublishable: (execution: Execution) => void;
}

/** The memory behind a ledger; its functions below take it as their first argument. */
interface LedgerState {
  readonly deps: LedgerDeps;
  readonly executions: Map<ExecutionId, Execution>;
  readonly generations: Map<EnvironmentId, EnvironmentRow>;
  readonly write: WriteQueue;
  highestEpoch: number;
  inherited: { epoch: number; count: number };
  confirmedSinceForgetting: number;
}

export function createLedger(deps: LedgerDeps): Ledger {
  const { contents } = deps;
  const state: LedgerState = {
    deps,
    executions: loadExecutions(contents),
    generations: new Map(contents.environments.map((row) => [row.environmentId, row])),
    write: createWriteQueue(deps),
    highestEpoch: Number(contents.meta.highest_epoch ?? 0),
    inherited: parseInherited(contents.meta.inherited_deletions),
    confirmedSinceForgetting: 0,
  };
  const { executions, generations, write } = state;
  return {
    find: (executionId) => executions.get(executionId),
    unconfirmed: () => [...executions.values()].filter((each) => each.state !== 'confirmed'),
    generations: () => generations,
    highestEpoch: () => state.highestEpoch,
    raiseEpoch: (epoch) => write.now(raiseEpoch(state, epoch)),
    inheritedDeletions: () =>
      state.inherited.epoch === state.highestEpoch ? state.inherited.count : 0,
    receive: (row, options = {}) => receive(state, row, options),
    reissue: (execution, task) => reissue(state, execution, task),
    record: (execution, transition) => record(state, execution, transition),
    line: (execution, line) => addLine(state, execution, line),
    cancel: (execution, mode) => cancel(state, execution, mode),
    confirm: (executionId, sequence) => confirm(state, executionId, sequence),
  };
}

function raiseEpoch(state: LedgerState, epoch: number): JournalChange[] {
  if (epoch <= state.highestEpoch) return [];
  state.highestEpoch = epoch;
  return [{ kind: 'meta_set', key: 'highest_epoch', value: String(epoch) }];
}

function countDeletion(state: LedgerState): JournalChange {
  const { highestEpoch: epoch, inherited } = state;
  const count = inherited.epoch === epoch ? inherited.count + 1 : 1;
  state.inherited = { epoch, count };
  return { kind: 'meta_set', key: 'inherited_deletions', value: `${epoch}:${count}` };
}

async function receive(
  state: LedgerState,
  row: ExecutionRow,
  { events = [], inheritedDeletion = false }: ReceiveOptions,
): Promise<Execution> {
  const { executions, generations, write, deps } = state;
  assert(!executions.has(row.executionId), `execution ${row.executionId} is new`);
  const execution = toExecution(row);
  executions.set(row.executionId, execution);
  const { environmentId, generation, epoch } = row;
  if (row.task !== null) {
    generations.set(environmentId, { environmentId, generation, epoch });
  } else if (row.cancel !== 'none') {
    // Canceled unseen: its task and older ones are refused for good. Whose the environment is, a
    // task that was not carried out has not changed.
    const before = generations.get(environmentId) ?? { generation, epoch };
    const highest = Math.max(before.generation, generation);
    generations.set(environmentId, { environmentId, generation: highest, epoch: before.epoch });
  }
  const changes = raiseEpoch(state, row.epoch);
  if (inheritedDeletion) changes.push(countDeletion(state));
  changes.push({ kind: 'execution_received', row });
  changes.push(...numberEvents(execution, events, deps.clock));
  await write.now(changes, execution);
  return execution;
}

async function reissue(
  state: LedgerState,
  execution: Execution,
  task: ReissuedTask,
): Promise<void> {
  const { journal, clock, onPublishable } = state.deps;
  const restated = await terminalToRestate(journal, execution, task.sequenceFloor);
  const changes = [...raiseEpoch(state, task.epoch), ...reissueChanges(execution, task)];
  if (restated !== null) {
    const { executionId } = execution;
    execution.state = 'reported';
    changes.push({ kind: 'state_changed', executionId, state: 'reported' });
    changes.push(...numberEvents(execution, [restated], clock));
  }
  await state.write.now(changes, execution);
  onPublishable(execution);
}

async function record(
  { write, deps }: LedgerState,
  execution: Execution,
  { state, steps = [], events = [] }: Transition,
): Promise<void> {
  const { executionId } = execution;
  const changes: JournalChange[] = steps.map((step) => {
    const row: StepRow = { executionId, explanation: null, ...step };
    execution.steps.set(stepKey(row.serviceId, row.step), row);
    return { kind: 'step_changed', row };
  });
  changes.push(...numberEvents(execution, events, deps.clock));
  if (state !== undefined) {
    execution.state = state;
    changes.push({ kind: 'state_changed', executionId, state });
    if (!isOpen(execution)) forgetWork(execution);
  }
  await write.now(changes, execution);
}

function addLine({ write, deps }: LedgerState, execution: Execution, line: LineBody): void {
  // Late output of a step that was given up: nothing follows a terminal event.
  if (!isOpen(execution)) return;
  execution.lineCount += 1;
  if (execution.lineCount > linesMax + 1) return;
  const event: EventBody =
    execution.lineCount <= linesMax
      ? line
      : { ...line, severity: 'WARNING', text: `Only the first ${linesMax} lines are kept` };
  write.soon(numberEvents(execution, [event], deps.clock), execution);
}

async function cancel(
  { write }: LedgerState,
  execution: Execution,
  mode: Exclude<CancelMode, 'none'>,
): Promise<boolean> {
  if (!isOpen(execution) || execution.cancel === mode || execution.cancel === 'force') {
    return false;
  }
  // Takes effect at once and not after the disk: the journal only carries it over a restart.
  applyCancel(execution, mode);
  const { executionId } = execution;
  await write.now([{ kind: 'cancel_requested', executionId, cancel: mode }], execution);
  return true;
}

async function confirm(
  state: LedgerState,
  executionId: ExecutionId,
  sequence: number,
): Promise<void> {
  const execution = state.executions.get(executionId);
  if (execution === undefined || sequence <= execution.confirmedSequence) return;
  // Never beyond what was published: such a confirmation is not about our events.
  if (sequence > execution.durableSequence) return;
  execution.confirmedSequence = sequence;
  const complete = execution.state === 'reported' && sequence === execution.lastSequence;
  if (complete) execution.state = 'confirmed';
  const changes: JournalChange[] = [{ kind: 'events_confirmed', executionId, sequence, complete }];
  if (complete) changes.push(...forgetOld(state));
  await state.write.now(changes, execution);
}

/** Now and then: drops all but the newest confirmed executions and the latest per environment. */
function forgetOld(state: LedgerState): JournalChange[] {
  state.confirmedSinceForgetting += 1;
  if (state.confirmedSinceForgetting < forgetEvery) return [];
  state.confirmedSinceForgetting = 0;
  const { executions, generations } = state;
  const old = [...executions.values()].slice(0, -confirmedKept).filter((execution) => {
    const latest = generations.get(execution.environmentId)?.generation;
    return execution.state === 'confirmed' && execution.row.generation !== latest;
  });
  const executionIds = old.map(({ executionId }) => executionId);
  for (const executionId of executionIds) executions.delete(executionId);
  return executionIds.length === 0 ? [] : [{ kind: 'executions_forgotten', executionIds }];
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
