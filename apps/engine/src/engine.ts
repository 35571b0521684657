/**
 * The engine without its surroundings, so that tests run it beside a fake target: journal → ledger
 * → what is open goes on → (as soon as there is a connection) report, pull, answer. It works on
 * without a control plane; `attach` gives it one when there is one.
 */
import type { Bus } from '@pilotfish/bus';
import { messages } from '@pilotfish/contracts';
import type { Target } from '@pilotfish/domain-deploy';
import {
  backoffDelayMs,
  type Clock,
  type ClusterId,
  type EngineId,
  Fault,
} from '@pilotfish/kernel';
import type { Logger } from '@pilotfish/runtime';
import { answerControl } from './control/answer-control.ts';
import { createPublisher, type Publisher } from './events/publisher.ts';
import type { ExecutionOutcome } from './execution/event-body.ts';
import { type Execution, isOpen } from './execution/execution.ts';
import { createLedger, type Ledger } from './execution/ledger.ts';
import { runExecution } from './execution/run-execution.ts';
import type { OpenSecrets } from './execution/run-service.ts';
import { createRunner, type Runner } from './execution/runner.ts';
import { createTaskKinds, environmentKind, type TaskKinds } from './execution/task-kinds.ts';
import { anyTask, runIntake, type TaskSource } from './intake/intake.ts';
import { type Journal, openJournal } from './journal/journal.ts';
import type { ApplicationLogs } from './logs/application-logs.ts';
import { type LogShipper, shipLogs } from './logs/ship-logs.ts';
import { heartbeatOf, helloOf } from './session/hello.ts';
import { openSession, type Session } from './session/session.ts';
import { untilAborted } from './until-aborted.ts';

export interface EngineDeps {
  readonly engineId: EngineId;
  readonly clusterId: ClusterId;
  readonly version: string;
  /** Executions at the same time. */
  readonly slots: number;
  readonly journalFile: string;
  readonly target: Target;
  readonly logs: ApplicationLogs;
  readonly openSecrets: OpenSecrets;
  /** Null while this engine may work, else why not: it then pulls nothing. */
  readonly refusal: () => string | null;
  /** Now and then while there is no connection, for it may be that this engine was revoked. */
  readonly onNoConnection: () => void;
  /** Nothing can be made durable any more: the process has to end. */
  readonly onDeath: (error: Error) => void;
  /** Counts ends of executions. */
  readonly onEnded: (outcome: ExecutionOutcome) => void;
  readonly clock: Clock;
  readonly random: () => number;
  readonly logger: Logger;
  /** Tests pull the plug between a write and what follows it. */
  readonly wrapJournal?: (journal: Journal) => Journal;
}

export interface Engine {
  /** Begins to report and to pull over this connection. Called once. */
  attach(bus: Bus): void;
  readonly journal: Journal;
  readonly ledger: Ledger;
  readonly runner: Runner;
  /** Why the control plane wants no work from this engine; empty while all is well. */
  sessionRefusal(): string;
  /** False until the target was swept and open executions go on. */
  isResumed(): boolean;
  /** Lets go of what is under way without an end: the journal has it, the next start goes on. */
  close(): Promise<void>;
}

export async function startEngine(deps: EngineDeps): Promise<Engine> {
  const { clock, clusterId } = deps;
  const stopping = new AbortController();
  const uplink = createUplink();
  const { isConnected } = uplink;
  const journal = await openOwnJournal(deps);
  const contents = await journal.load();
  let publisher: Publisher | null = null;
  const ledger = createLedger({
    journal,
    clock,
    contents,
    onPublishable: (execution) => publisher?.wake(execution),
  });
  publisher = createPublisher({
    ...deps,
    bus: {
      isConnected,
      async publish(batch) {
        const { environmentId, executionId } = batch;
        await uplink
          .bus()
          .publish(messages.events, { clusterId, environmentId, executionId }, batch);
      },
    },
    journal,
    ledger: () => ledger,
  });
  const run = (execution: Execution) =>
    runExecution({ ...deps, ledger, stopping: stopping.signal }, execution);
  const kinds = createTaskKinds([environmentKind(run)]);
  const runner = createRunner({ slots: deps.slots, run: (execution) => kinds.run(execution) });
  const shipper = shipLogs({
    ...deps,
    journal,
    cursors: contents.logCursors,
    isConnected,
    async publish(batch) {
      await uplink.bus().publish(messages.logs, { clusterId, serviceId: batch.serviceId }, batch);
    },
  });
  const parts: EngineParts = { journal, ledger, publisher, kinds, runner, shipper };
  let isResumed = false;
  const resumed = resume(deps, parts, stopping.signal).then(() => {
    isResumed = true;
  });
  let intake: Promise<void> = Promise.resolve();

  return {
    journal,
    ledger,
    runner,
    isResumed: () => isResumed,
    sessionRefusal: () => uplink.session?.refusal() ?? '',
    attach(bus) {
      intake = connectParts(deps, uplink, bus, parts, resumed, stopping.signal);
    },
    async close() {
      stopping.abort(new Error('The engine stops'));
      await uplink.session?.close();
      await Promise.all([intake, resumed, runner.close(), shipper.close(), publisher.close()]);
      if (uplink.isAttached()) await uplink.bus().close();
      await journal.close();
    },
  };
}

interface EngineParts {
  readonly journal: Journal;
  readonly ledger: Ledger;
  readonly publisher: Publisher;
  readonly kinds: TaskKinds;
  readonly runner: Runner;
  readonly shipper: LogShipper;
}

/** The way to the control plane, which may appear long after the engine has begun to work. */
interface Uplink {
  session: Session | null;
  use(bus: Bus): void;
  isAttached(): boolean;
  isConnected(): boolean;
  /** @throws Fault `unavailable` before there is one */
  bus(): Bus;
}

function createUplink(): Uplink {
  let present: Bus | null = null;
  return {
    session: null,
    use(bus) {
      present = bus;
    },
    isAttached: () => present !== null,
    isConnected: () => present?.state() === 'connected',
    bus() {
      if (present === null) throw new Fault('unavailable', 'There is no connection to NATS yet');
      return present;
    },
  };
}

/** @returns the intake, which ends when aborted */
function connectParts(
  deps: EngineDeps,
  uplink: Uplink,
  bus: Bus,
  parts: EngineParts,
  resumed: Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const { clusterId, clock, logs } = deps;
  const { ledger, publisher, shipper } = parts;
  uplink.use(bus);
  bus.subscribe(messages.confirmed, { clusterId }, ({ body }) => {
    for (const { executionId, sequence } of body.confirmed) {
      // What fails here is confirmed again with the next repetition.
      ledger.confirm(executionId, sequence).catch(() => undefined);
    }
  });
  // Before the first hello: until that is answered nothing is pulled, and what was canceled
  // meanwhile is told before the answer.
  const { isolation } = deps.target;
  const control = { ledger, isolation, logs, present: () => uplink.session?.greetAgain() };
  bus.respond(messages.control, { clusterId }, ({ body }) => answerControl(control, body));
  const session = openSession({
    ...deps,
    bus: {
      hello: (hello) => bus.request(messages.hello, { clusterId }, hello, { timeoutMs: 5000 }),
      heartbeat: () => bus.ring(messages.heartbeat, { clusterId }, heartbeatOf(deps, parts)),
      isConnected: uplink.isConnected,
      onConnected: (listener) => bus.onConnected(listener),
    },
    makeHello: () => helloOf(deps, parts),
    raiseEpoch: (epoch) => ledger.raiseEpoch(epoch),
    onAccepted() {
      publisher.resendAll();
      shipper.wake();
    },
  });
  uplink.session = session;
  const source: TaskSource = {
    async allowed(stop) {
      await untilAborted(resumed, stop);
      await bus.connected(stop);
      await session.accepted(stop);
      for (;;) {
        const refused = deps.refusal() !== null || session.refusal() !== '';
        if (!refused) return;
        await clock.sleep(refusedPauseMs, stop);
      }
    },
    fetch: (stop) => bus.fetchTask(anyTask, { clusterId, waitMs: pullWaitMs, signal: stop }),
  };
  return runIntake({ ...deps, ...parts, source, isolation }, signal);
}

const pullWaitMs = 20_000;
const refusedPauseMs = 1000;

async function openOwnJournal(deps: EngineDeps): Promise<Journal> {
  const { journalFile: file, onDeath, logger } = deps;
  const opened = await openJournal({ file, onDeath });
  if (opened.setAside !== null) {
    logger.error(
      opened.setAside,
      'the journal was damaged and moved aside: going on from what the target says',
    );
  }
  const journal = deps.wrapJournal?.(opened) ?? opened;
  const { engine_id: owner } = (await journal.load()).meta;
  if (owner !== undefined && owner !== deps.engineId) {
    await journal.close();
    throw new Fault(
      'conflict',
      `The journal ${file} belongs to engine ${owner}, this is ${deps.engineId}: remove it if it is no longer needed`,
    );
  }
  await journal.commit([{ kind: 'meta_set', key: 'engine_id', value: deps.engineId }]);
  return journal;
}

const sweepRetryPolicy = { firstDelayMs: 250, delayMsMax: 10_000 };

/**
 * Ends what a killed engine left behind, then goes on with what it had not finished. Waits for the
 * target as long as it is away: to go on beside leftovers could run something twice.
 */
async function resume(
  { target, clock, logger, random }: EngineDeps,
  { ledger, runner }: EngineParts,
  signal: AbortSignal,
): Promise<void> {
  const open = ledger.unconfirmed().filter(isOpen);
  const openIds = new Set(open.map(({ executionId }) => executionId));
  for (let attempt = 0; !signal.aborted; attempt += 1) {
    try {
      await target.sweep(openIds, signal);
      if (open.length > 0)
        logger.info({ executions: open.length }, 'going on with open executions');
      for (const execution of open) runner.submit(execution);
      return;
    } catch (error) {
      if (signal.aborted) return;
      if (attempt === 2) logger.warn({ err: error }, 'the target cannot be swept yet, trying on');
      const delayMs = backoffDelayMs(sweepRetryPolicy, attempt, random());
      await clock.sleep(delayMs, signal).catch(() => undefined);
    }
  }
}
