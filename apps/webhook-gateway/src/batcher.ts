import { Fault, toFault } from '@pilotfish/kernel';

export interface BatcherOptions<Item, Result> {
  /** Answers for each item, in the same order. */
  readonly run: (batch: readonly Item[]) => Promise<readonly Result[]>;
  readonly bytesOf: (item: Item) => number;
  readonly batchItemsMax: number;
  readonly batchBytesMax: number;
  /** Batches at work side by side. */
  readonly inFlightMax: number;
  /** Items that wait for a batch; one more is refused. */
  readonly queueItemsMax: number;
}

export interface Batcher<Item, Result> {
  /** @throws Fault `overloaded` where the queue is full, and what `run` throws */
  add(item: Item): Promise<Result>;
  /** Items that wait for a batch. */
  waiting(): number;
  /** Resolves when nothing waits and nothing runs. */
  idle(): Promise<void>;
}

interface Entry<Item, Result> {
  readonly item: Item;
  resolve(result: Result): void;
  reject(error: unknown): void;
}

/**
 * Puts together what arrives at the same time. No timer: an item that finds a free place starts a
 * batch at once, and while all places are taken the next batch gathers. So a quiet service answers
 * as fast as it can, and a busy one makes batches as large as its load.
 */
export function createBatcher<Item, Result>(
  options: BatcherOptions<Item, Result>,
): Batcher<Item, Result> {
  const queue: Entry<Item, Result>[] = [];
  const idleListeners: (() => void)[] = [];
  let inFlight = 0;

  function flush(): void {
    while (inFlight < options.inFlightMax && queue.length > 0) {
      const batch = takeBatch(queue, options);
      inFlight += 1;
      void runBatch(batch, options).then(() => {
        inFlight -= 1;
        flush();
        if (inFlight === 0 && queue.length === 0) {
          for (const listener of idleListeners.splice(0)) listener();
        }
      });
    }
  }

  return {
    add(item) {
      if (queue.length >= options.queueItemsMax) {
        return Promise.reject(new Fault('overloaded', 'Too many deliveries at once'));
      }
      const { promise, resolve, reject } = Promise.withResolvers<Result>();
      queue.push({ item, resolve, reject });
      flush();
      return promise;
    },
    waiting: () => queue.length,
    idle() {
      if (inFlight === 0 && queue.length === 0) return Promise.resolve();
      return new Promise((resolve) => idleListeners.push(resolve));
    },
  };
}

/** The oldest entries that fit together; at least one, however large it is. */
function takeBatch<Item, Result>(
  queue: Entry<Item, Result>[],
  options: BatcherOptions<Item, Result>,
): Entry<Item, Result>[] {
  let count = 0;
  let bytes = 0;
  for (const { item } of queue) {
    bytes += options.bytesOf(item);
    if (count > 0 && (count >= options.batchItemsMax || bytes > options.batchBytesMax)) break;
    count += 1;
  }
  return queue.splice(0, count);
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
