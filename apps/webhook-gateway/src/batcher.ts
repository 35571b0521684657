import { type Clock, Fault, toFault } from '@pilotfish/kernel';
import { createFairQueue, type FairQueueOptions } from './fair-queue.ts';

export interface BatcherOptions<Item, Result> extends FairQueueOptions<Item> {
  /** Answers for each item, in the same order. */
  readonly run: (batch: readonly Item[]) => Promise<readonly Result[]>;
  /** Batches at work side by side. */
  readonly inFlightMax: number;
  /** How long an item may take from `add` to its answer. */
  readonly answerMsMax: number;
  readonly clock: Clock;
  /** Called once for each item, when nothing works on it any more: maybe later than its answer. */
  readonly onOver?: (item: Item) => void;
}

export interface Batcher<Item, Result> {
  /**
   * @throws Fault `overloaded` where the item's owner has too much waiting, `unavailable` where the
   * answer took too long (the item may be stored all the same), and what `run` throws
   */
  add(item: Item): Promise<Result>;
  /** Items that wait for a batch. */
  waiting(): number;
  /** Resolves when nothing waits and nothing runs. */
  idle(): Promise<void>;
}

interface Entry<Item, Result> {
  readonly item: Item;
  readonly addedMs: number;
  resolve(result: Result): void;
  reject(error: unknown): void;
}

/** How exactly `answerMsMax` is kept. */
const lookEveryMs = 250;

/**
 * Puts together what arrives at the same time. No timer: an item that finds a free place starts a
 * batch at once, and while all places are taken the next batch gathers. So a quiet service answers
 * as fast as it can, and a busy one makes batches as large as its load.
 */
export function createBatcher<Item, Result>(
  options: BatcherOptions<Item, Result>,
): Batcher<Item, Result> {
  const { clock, inFlightMax, onOver, ownerOf, bytesOf } = options;
  const queue = createFairQueue<Entry<Item, Result>>({
    ...options,
    ownerOf: ({ item }) => ownerOf(item),
    bytesOf: ({ item }) => bytesOf(item),
  });
  const overdue = createDeadline<Entry<Item, Result>>(options);
  const idleListeners: (() => void)[] = [];
  let inFlight = 0;

  function flush(): void {
    while (inFlight < inFlightMax && queue.size() > 0) {
      const batch = queue.takeBatch();
      inFlight += 1;
      void runBatch(batch, options).then(() => {
        inFlight -= 1;
        for (const entry of batch) {
          overdue.forget(entry);
          onOver?.(entry.item);
        }
        flush();
        if (inFlight === 0 && queue.size() === 0) {
          for (const listener of idleListeners.splice(0)) listener();
        }
      });
    }
  }

  return {
    add: (item) =>
      new Promise<Result>((resolve, reject) => {
        const entry = { item, addedMs: clock.monotonicMs(), resolve, reject };
        try {
          queue.push(entry);
        } catch (error) {
          onOver?.(item);
          throw error;
        }
        overdue.watch(entry);
        flush();
      }),
    waiting: () => queue.size(),
    idle() {
      if (inFlight === 0 && queue.size() === 0) return Promise.resolve();
      return new Promise((resolve) => idleListeners.push(resolve));
    },
  };
}

interface Overdue {
  readonly addedMs: number;
  reject(error: unknown): void;
}

/** Rejects what is not answered in time. One look for all: a timer per item would cost more than it. */
function createDeadline<Entry extends Overdue>(options: {
  readonly clock: Clock;
  readonly answerMsMax: number;
}) {
  const { clock, answerMsMax } = options;
  const unanswered = new Set<Entry>();
  let isLooking = false;

  async function look(): Promise<void> {
    isLooking = true;
    while (unanswered.size > 0) {
      await clock.sleep(lookEveryMs);
      const addedBeforeMs = clock.monotonicMs() - answerMsMax;
      for (const entry of unanswered) {
        // Oldest first: who comes behind is younger.
        if (entry.addedMs > addedBeforeMs) break;
        unanswered.delete(entry);
        entry.reject(new Fault('unavailable', 'The delivery could not be stored in time'));
      }
    }
    isLooking = false;
  }

  return {
    watch(entry: Entry) {
      unanswered.add(entry);
      if (!isLooking) void look();
    },
    forget: (entry: Entry) => unanswered.delete(entry),
  };
}

/** Settles every entry; never rejects. */
async function runBatch<Item, Result>(
  batch: readonly Entry<Item, Result>[],
  options: BatcherOptions<Item, Result>,
): Promise<void> {
  try {
    const results = await options.run(batch.map(({ item }) => item));
    if (results.length !== batch.length) {
      throw new Fault('internal', 'Something went wrong on our side', {
        internal: `${results.length} answers for ${batch.length} items`,
      });
    }
    for (const [index, entry] of batch.entries()) entry.resolve(results[index] as Result);
  } catch (error) {
    if (batch.length === 1 || toFault(error).retryable) {
      for (const entry of batch) entry.reject(error);
      return;
    }
    // One item that cannot be stored must not take its neighbours along.
    for (const entry of batch) await runBatch([entry], options);
  }
}
