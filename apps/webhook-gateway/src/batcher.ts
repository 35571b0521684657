import { type Clock, Fault, toFault } from '@pilotfish/kernel';
import { createFairQueue, type FairQueueOptions } from './fair-queue.ts';

export interface BatcherOptions<Item, Result> extends FairQueueOptions<Item> {
  /** Answers for each item, in the same order. */
  readonly run: (batch: readonly Item[]) => Promise<readonly Result[]>;
  /** Batches at work side by side. */
  readonly inFlightMax: number;
  /** Items that must wait before a batch begins beside another one; for a slow batch none must. */
  readonly besideMin: number;
  /** Milliseconds from one batch to the next for which fewer gather; who comes later need not wait. */
  readonly gatherMs: number;
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
  /** True once it was answered because it took too long. */
  isLate: boolean;
  resolve(result: Result): void;
  reject(error: unknown): void;
}

/** How exactly `answerMsMax` is kept, and after how long a batch may count as slow. */
const lookEveryMs = 250;

/**
 * Puts together what arrives at the same time. An item that finds the service quiet starts a batch at
 * once; while one is at work, and for a moment after its start, the next one gathers. So a quiet
 * service answers as fast as it can, and a busy one makes batches as large as its load. A batch costs
 * as much as several items: so many make one at once, even beside another.
 */
export function createBatcher<Item, Result>(
  options: BatcherOptions<Item, Result>,
): Batcher<Item, Result> {
  const { clock, inFlightMax, onOver, ownerOf, bytesOf, answerMsMax } = options;
  const queue = createFairQueue<Entry<Item, Result>>({
    ...options,
    ownerOf: ({ item }) => ownerOf(item),
    bytesOf: ({ item }) => bytesOf(item),
  });
  const idleListeners: (() => void)[] = [];
  /** One place per batch at work. */
  const running: (readonly Entry<Item, Result>[] | null)[] = Array(inFlightMax).fill(null);
  let isLooking = false;

  const gathering = createGathering(options, () => flush());
  const isResting = () => running.every((batch) => batch === null);
  const isIdle = () => queue.size() === 0 && isResting();

  function flush(besideMin = options.besideMin): void {
    for (;;) {
      const place = running.indexOf(null);
      if (place === -1 || queue.size() === 0) return;
      if (queue.size() < besideMin && !(isResting() && gathering.isOver())) return;
      gathering.begin();
      const batch = queue.takeBatch();
      running[place] = batch;
      void runBatch(batch, options).then(() => {
        running[place] = null;
        for (const { item } of batch) onOver?.(item);
        flush();
        if (isIdle()) for (const listener of idleListeners.splice(0)) listener();
      });
    }
  }

  /** One look for all: a timer per item would cost more than all that is done with it. */
  async function watchAnswers(): Promise<void> {
    isLooking = true;
    while (!isIdle()) {
      await clock.sleep(lookEveryMs);
      const addedBeforeMs = clock.monotonicMs() - answerMsMax;
      for (const batch of [...running, queue.waiting()]) {
        for (const entry of batch ?? []) answerLate(entry, addedBeforeMs);
      }
      flush(1);
    }
    isLooking = false;
  }

  return {
    add: (item) =>
      new Promise<Result>((resolve, reject) => {
        const addedMs = clock.monotonicMs();
        try {
          queue.push({ item, addedMs, isLate: false, resolve, reject });
        } catch (error) {
          onOver?.(item);
          throw error;
        }
        if (!isLooking) void watchAnswers();
        flush();
      }),
    waiting: () => queue.size(),
    idle() {
      if (isIdle()) return Promise.resolve();
      return new Promise((resolve) => idleListeners.push(resolve));
    },
  };
}

/** The moment after the start of a batch in which few items do not make another one. */
function createGathering(
  { clock, gatherMs }: Pick<BatcherOptions<never, never>, 'clock' | 'gatherMs'>,
  onOver: () => void,
) {
  let startedMs = -Infinity;
  let isWatched = false;

  async function watch(leftMs: number): Promise<void> {
    isWatched = true;
    await clock.sleep(Math.ceil(leftMs));
    isWatched = false;
    onOver();
  }

  return {
    begin(): void {
      startedMs = clock.monotonicMs();
    },
    /** Who is told that it is not is told again, by `onOver`, when it is. */
    isOver(): boolean {
      const leftMs = startedMs + gatherMs - clock.monotonicMs();
      if (leftMs > 0 && !isWatched) void watch(leftMs);
      return leftMs <= 0;
    },
  };
}

function answerLate(entry: Entry<unknown, never>, addedBeforeMs: number): void {
  if (entry.isLate || entry.addedMs > addedBeforeMs) return;
  entry.isLate = true;
  entry.reject(new Fault('unavailable', 'The delivery could not be stored in time'));
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
