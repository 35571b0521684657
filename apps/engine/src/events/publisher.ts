/**
 * Brings journalled events to the control plane: each as soon as it is on the disk, all of them
 * again after a reconnect or when no confirmation comes, until Postgres has them. What JetStream
 * acknowledged may be lost with it, so its word releases nothing.
 */
import { envelope } from '@pilotfish/bus';
import type { EventBatch } from '@pilotfish/contracts';
import {
  backoffDelayMs,
  type Clock,
  type ClusterId,
  type ExecutionId,
  newId,
} from '@pilotfish/kernel';
import type { Logger } from '@pilotfish/runtime';
import type { Execution } from '../execution/execution.ts';
import type { Ledger } from '../execution/ledger.ts';
import type { Journal } from '../journal/journal.ts';
import { batchEventsMax, nextBatch } from './next-batch.ts';

export interface EventBus {
  isConnected(): boolean;
  /** Resolves when the stream has the batch. */
  publish(batch: EventBatch): Promise<void>;
}

export interface Publisher {
  /** There may be something to publish of this execution. */
  wake(execution: Execution): void;
  /** After a connect: everything unconfirmed once more. */
  resendAll(): void;
  close(): Promise<void>;
}

export interface PublisherDeps {
  readonly bus: EventBus;
  readonly journal: Pick<Journal, 'readEvents'>;
  readonly ledger: () => Pick<Ledger, 'unconfirmed' | 'highestEpoch'>;
  readonly clusterId: ClusterId;
  readonly clock: Clock;
  readonly random: () => number;
  readonly logger: Logger;
}

interface Progress {
  publishedUpTo: number;
  confirmedUpTo: number;
  publication: number;
  /** When to publish again what is not confirmed by then, on the monotonic clock. */
  resendAtMs: number;
  resends: number;
  pumping: Promise<void> | null;
}

const tickMs = 1000;
/** Generous beside a confirmation's usual tens of milliseconds: a slow database is no loss. */
const resendPolicy = { firstDelayMs: 5000, delayMsMax: 60_000 };

export function createPublisher(deps: PublisherDeps): Publisher {
  const { bus, clock, logger } = deps;
  const progresses = new Map<ExecutionId, Progress>();
  const closing = new AbortController();
  const ticking = tick();

  function progressOf(execution: Execution): Progress {
    const { confirmedSequence, publication } = execution;
    let progress = progresses.get(execution.executionId);
    if (progress === undefined) {
      progress = {
        publishedUpTo: confirmedSequence,
        confirmedUpTo: confirmedSequence,
        publication,
        resendAtMs: 0,
        resends: 0,
        pumping: null,
      };
      progresses.set(execution.executionId, progress);
      postpone(progress);
    }
    if (progress.publication !== publication) {
      progress.publication = publication;
      progress.confirmedUpTo = confirmedSequence;
      progress.publishedUpTo = confirmedSequence;
    }
    if (confirmedSequence > progress.confirmedUpTo) {
      progress.confirmedUpTo = confirmedSequence;
      progress.publishedUpTo = Math.max(progress.publishedUpTo, confirmedSequence);
      progress.resends = 0;
      postpone(progress);
    }
    return progress;
  }

  function postpone(progress: Progress): void {
    const delayMs = backoffDelayMs(resendPolicy, progress.resends, deps.random());
    progress.resendAtMs = clock.monotonicMs() + resendPolicy.firstDelayMs + delayMs;
  }

  function wake(execution: Execution): void {
    if (closing.signal.aborted) return;
    const progress = progressOf(execution);
    progress.pumping ??= pump(execution, progress).finally(() => {
      progress.pumping = null;
    });
  }

  async function pump(execution: Execution, progress: Progress): Promise<void> {
    try {
      for (;;) {
        if (closing.signal.aborted || !bus.isConnected()) return;
        progressOf(execution);
        const after = progress.publishedUpTo;
        const through = execution.durableSequence;
        if (after >= through) return;
        const { executionId } = execution;
        const rows = await deps.journal.readEvents(executionId, after, batchEventsMax);
        const events = nextBatch({ rows, after, through, now: clock.now() });
        const last = events.at(-1)?.sequence;
        if (last === undefined) return;
        const { publication } = execution;
        await bus.publish(batchOf(deps, execution, events));
        // Reissued or reset meanwhile: what has just gone out belongs to the publication before.
        if (execution.publication === publication && progress.publishedUpTo === after) {
          progress.publishedUpTo = last;
        }
      }
    } catch (error) {
      // The next tick tries again.
      logger.debug({ err: error, executionId: execution.executionId }, 'events wait for NATS');
    }
  }

  async function tick(): Promise<void> {
    while (!closing.signal.aborted) {
      await clock.sleep(tickMs, closing.signal).catch(() => undefined);
      const unconfirmed = deps.ledger().unconfirmed();
      for (const execution of unconfirmed) {
        const progress = progressOf(execution);
        if (clock.monotonicMs() >= progress.resendAtMs) {
          progress.publishedUpTo = execution.confirmedSequence;
          progress.resends += 1;
          postpone(progress);
        }
        wake(execution);
      }
      forgetOthers(new Set(unconfirmed.map(({ executionId }) => executionId)));
    }
  }

  function forgetOthers(known: ReadonlySet<ExecutionId>): void {
    for (const [executionId, { pumping }] of progresses) {
      if (!known.has(executionId) && pumping === null) progresses.delete(executionId);
    }
  }

  return {
    wake,
    resendAll() {
      for (const execution of deps.ledger().unconfirmed()) {
        const progress = progressOf(execution);
        progress.publishedUpTo = execution.confirmedSequence;
        postpone(progress);
        wake(execution);
      }
    },
    async close() {
      closing.abort(new Error('The publisher is being closed'));
      await ticking;
      await Promise.all([...progresses.values()].map(({ pumping }) => pumping));
    },
  };
}

function batchOf(
  deps: PublisherDeps,
  { row }: Execution,
  events: EventBatch['events'],
): EventBatch {
  return {
    ...envelope({
      id: newId(),
      epoch: deps.ledger().highestEpoch(),
      generation: row.generation,
      // The one under which it was issued: that is what its writes are fenced by.
      lease: row.lease,
      attempt: row.attempt,
      trace: row.trace ?? undefined,
    }),
    organizationId: row.organizationId,
    projectId: row.projectId,
    clusterId: deps.clusterId,
    environmentId: row.environmentId,
    executionId: row.executionId,
    events,
  };
}
