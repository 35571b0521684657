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
  isPumping: boolean;
}

const tickMs = 1000;
/** Generous beside a confirmation's usual tens of milliseconds: a slow database is no loss. */
const resendPolicy = { firstDelayMs: 5000, delayMsMax: 60_000 };

export function createPublisher(deps: PublisherDeps): Publisher {
  return new ResendingPublisher(deps);
}

class ResendingPublisher implements Publisher {
  readonly #deps: PublisherDeps;
  readonly #progresses = new Map<ExecutionId, Progress>();
  readonly #closing = new AbortController();
  readonly #pumps = new Set<Promise<void>>();
  readonly #ticking: Promise<void>;

  constructor(deps: PublisherDeps) {
    this.#deps = deps;
    this.#ticking = this.#tick();
  }

  wake(execution: Execution): void {
    if (this.#closing.signal.aborted) return;
    const progress = this.#progressOf(execution);
    if (progress.isPumping) return;
    const pump = this.#pump(execution, progress).finally(() => this.#pumps.delete(pump));
    this.#pumps.add(pump);
  }

  resendAll(): void {
    for (const execution of this.#deps.ledger().unconfirmed()) {
      const progress = this.#progressOf(execution);
      progress.publishedUpTo = execution.confirmedSequence;
      this.#postpone(progress);
      this.wake(execution);
    }
  }

  async close(): Promise<void> {
    this.#closing.abort(new Error('The publisher is being closed'));
    await this.#ticking;
    await Promise.all(this.#pumps);
  }

  /** Where the execution stands, after what has been confirmed or reissued meanwhile. */
  #progressOf(execution: Execution): Progress {
    const { confirmedSequence, publication, executionId } = execution;
    let progress = this.#progresses.get(executionId);
    if (progress === undefined || progress.publication !== publication) {
      progress = {
        publishedUpTo: confirmedSequence,
        confirmedUpTo: confirmedSequence,
        publication,
        resendAtMs: 0,
        resends: 0,
        isPumping: false,
      };
      this.#progresses.set(executionId, progress);
      this.#postpone(progress);
    }
    if (confirmedSequence > progress.confirmedUpTo) {
      progress.confirmedUpTo = confirmedSequence;
      progress.publishedUpTo = Math.max(progress.publishedUpTo, confirmedSequence);
      progress.resends = 0;
      this.#postpone(progress);
    }
    return progress;
  }

  #postpone(progress: Progress): void {
    const { clock, random } = this.#deps;
    const delayMs = backoffDelayMs(resendPolicy, progress.resends, random());
    progress.resendAtMs = clock.monotonicMs() + resendPolicy.firstDelayMs + delayMs;
  }

  async #pump(execution: Execution, progress: Progress): Promise<void> {
    const { bus, journal, clock, logger } = this.#deps;
    const { executionId } = execution;
    progress.isPumping = true;
    try {
      // A reissue has made a new progress, which begins again from its own floor.
      while (this.#progressOf(execution) === progress) {
        const after = progress.publishedUpTo;
        const through = execution.durableSequence;
        if (after >= through || this.#closing.signal.aborted || !bus.isConnected()) return;
        const rows = await journal.readEvents(executionId, after, batchEventsMax);
        // Under the attempt of a reissue meanwhile, these would come ahead of its first.
        if (this.#progressOf(execution) !== progress) return;
        const events = nextBatch({ rows, after, through, now: clock.now() });
        const last = events.at(-1)?.sequence;
        if (last === undefined) return;
        await bus.publish(batchOf(this.#deps, execution, events));
        // Unless everything was to be sent again meanwhile.
        if (progress.publishedUpTo === after) progress.publishedUpTo = last;
      }
    } catch (error) {
      // The next tick tries again.
      logger.debug({ err: error, executionId }, 'events wait for NATS');
    } finally {
      // In the same instant in which it found nothing more: what comes now wakes a new one.
      progress.isPumping = false;
    }
  }

  async #tick(): Promise<void> {
    const { clock, ledger } = this.#deps;
    const { signal } = this.#closing;
    while (!signal.aborted) {
      await clock.sleep(tickMs, signal).catch(() => undefined);
      const unconfirmed = ledger().unconfirmed();
      for (const execution of unconfirmed) {
        const progress = this.#progressOf(execution);
        if (clock.monotonicMs() >= progress.resendAtMs) {
          progress.publishedUpTo = execution.confirmedSequence;
          progress.resends += 1;
          this.#postpone(progress);
        }
        this.wake(execution);
      }
      this.#forgetOthers(new Set(unconfirmed.map(({ executionId }) => executionId)));
    }
  }

  #forgetOthers(known: ReadonlySet<ExecutionId>): void {
    for (const [executionId, { isPumping }] of this.#progresses) {
      if (!known.has(executionId) && !isPumping) this.#progresses.delete(executionId);
    }
  }
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
