/** Work on the same key follows each other; on different keys it runs side by side. */
export interface KeyedLock {
  /** Waits for its turn; rejects with the signal's reason when aborted while it waits. */
  run<T>(key: string, signal: AbortSignal, work: () => Promise<T>): Promise<T>;
  /** Does the work only where nobody is at it or waits for it; else returns undefined. */
  tryRun<T>(key: string, work: () => Promise<T>): Promise<T | undefined>;
}

export function createKeyedLock(): KeyedLock {
  const tails = new Map<string, Promise<void>>();
  const enter = (key: string) => {
    const before = tails.get(key) ?? Promise.resolve();
    const done = Promise.withResolvers<void>();
    const tail = before.then(() => done.promise);
    tails.set(key, tail);
    const leave = () => {
      done.resolve();
      if (tails.get(key) === tail) tails.delete(key);
    };
    return { before, leave };
  };
  return {
    async run(key, signal, work) {
      signal.throwIfAborted();
      const { before, leave } = enter(key);
      try {
        await untilAborted(before, signal);
        return await work();
      } finally {
        leave();
      }
    },
    async tryRun(key, work) {
      if (tails.has(key)) return undefined;
      const { leave } = enter(key);
      try {
        return await work();
      } finally {
        leave();
      }
    },
  };
}

function untilAborted(waited: Promise<void>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    void waited.then(() => {
      signal.removeEventListener('abort', onAbort);
      resolve();
    });
  });
}
