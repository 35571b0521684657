/**
 * Joins stored history and live messages of one numbered series, so that each item is delivered
 * exactly once and in order.
 *
 * Its life: subscribe → read history behind the cursor, page by page → deliver what is consecutive
 * of what came live meanwhile → wait. Whenever a live number is missing, history is read again: the
 * live way is fast and may lose anything, history is slower and complete. So nothing here depends
 * on NATS: without it, history is merely polled.
 */
import { type Clock, Fault } from '@pilotfish/kernel';

export interface Numbered {
  /** Grows by one from item to item. */
  readonly sequence: number;
}

/** A piece of history, ascending. */
export interface Page<T extends Numbered> {
  readonly items: readonly T[];
  /** The lowest number that is still kept; null where nothing is known about that. */
  readonly oldest: number | null;
  /** The highest number that exists; null where history may lag behind what is told live. */
  readonly newest: number | null;
  /** There is more behind `items`. */
  readonly more: boolean;
  /** The series is over and nothing will follow behind `items`. */
  readonly ended: boolean;
}

export interface FollowDeps<T extends Numbered> {
  /** Items above the number; with null the newest ones, as many as somebody new should see. */
  readonly read: (after: number | null) => Promise<Page<T>>;
  /**
   * Live items, in any order, with repeats and omissions; `onMissed` where some may have been
   * missed just now. Returns how to end it.
   */
  readonly subscribe: (onItems: (items: readonly T[]) => void, onMissed: () => void) => () => void;
  /** Resolves when the client can take more; rejects when it is gone. Returns true at the end. */
  readonly deliver: (items: readonly T[]) => Promise<boolean>;
  /** Items are lost for good: how many, or null where that is not known. */
  readonly onGap: (missing: number | null) => Promise<void>;
  readonly after: number | null;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** How often history is looked at although nothing is missing; live items may all be lost. */
  readonly pollMs: () => number;
  /** Live items that may wait; beyond it they are dropped and come from history. */
  readonly pendingMax: number;
  /**
   * How long history may fail before the fault is passed on, so that the client learns of it; for
   * ever unless told.
   */
  readonly failingMsMax?: number;
}

/** How soon history is asked again for an item that was seen live after it. */
const gapRetry = { firstMs: 25, maxMs: 1000 };
const failureRetry = { firstMs: 100, maxMs: 5000 };

/**
 * Resolves to `ended` when history says that nothing follows, to `stopped` when `deliver` says so;
 * rejects with the signal's reason, or with a Fault that is not worth retrying.
 */
export async function followSequence<T extends Numbered>(
  deps: FollowDeps<T>,
): Promise<'ended' | 'stopped'> {
  const live = createLiveBuffer<T>(deps.pendingMax);
  const unsubscribe = deps.subscribe(live.add, live.missed);
  try {
    return await follow(deps, live);
  } finally {
    unsubscribe();
  }
}

async function follow<T extends Numbered>(deps: FollowDeps<T>, live: LiveBuffer<T>) {
  const { clock, signal } = deps;
  let after = deps.after;
  let delivered = false;
  let behind = true;
  let retries = 0;
  while (true) {
    signal.throwIfAborted();
    if (behind || after === null) {
      const page = await readPatiently(deps, after);
      // A number above everything that exists: it was given by a memory that is gone. What this
      // very connection delivered may be ahead of history.
      if (!delivered && after !== null && page.newest !== null && page.newest < after) {
        await deps.onGap(null);
        after = Math.min(page.newest, (page.oldest ?? 1) - 1);
        continue;
      }
      const from: number = after ?? (page.items[0]?.sequence ?? (page.newest ?? 0) + 1) - 1;
      const missing = (page.oldest ?? 0) - 1 - from;
      if (missing > 0) await deps.onGap(missing);
      after = Math.max(from, (page.oldest ?? 0) - 1);
      const fresh = page.items.filter((item) => item.sequence > from);
      if (fresh.length > 0) {
        retries = 0;
        delivered = true;
        after = fresh.at(-1)?.sequence ?? after;
        if (await deps.deliver(fresh)) return 'stopped';
      }
      if (page.ended && !page.more && live.highest() <= after) return 'ended';
      behind = page.more;
      if (behind) continue;
    }
    const run = live.takeRun(after);
    if (run.length > 0) {
      retries = 0;
      delivered = true;
      after = run.at(-1)?.sequence ?? after;
      if (await deps.deliver(run)) return 'stopped';
      continue;
    }
    const gap = live.highest() > after;
    const delayMs = gap ? delayOf(gapRetry, retries++) : deps.pollMs();
    const outcome = await live.wait(clock, delayMs, signal);
    // Something new alone is tried first; history is for what it leaves open.
    behind = outcome !== 'news' || gap;
  }
}

async function readPatiently<T extends Numbered>(deps: FollowDeps<T>, after: number | null) {
  const startMs = deps.clock.monotonicMs();
  for (let failures = 0; ; failures++) {
    try {
      return await deps.read(after);
    } catch (error) {
      deps.signal.throwIfAborted();
      if (!(error instanceof Fault && error.retryable)) throw error;
      const failingMs = deps.clock.monotonicMs() - startMs;
      if (failingMs >= (deps.failingMsMax ?? Number.POSITIVE_INFINITY)) throw error;
      await deps.clock.sleep(delayOf(failureRetry, failures), deps.signal);
    }
  }
}

function delayOf(policy: { readonly firstMs: number; readonly maxMs: number }, tries: number) {
  return Math.min(policy.maxMs, policy.firstMs * 2 ** Math.min(tries, 10));
}

/** What ended a wait. */
type Outcome = 'news' | 'missed' | 'time';

interface LiveBuffer<T> {
  readonly add: (items: readonly T[]) => void;
  readonly missed: () => void;
  /** The highest number that was seen, dropped ones included. */
  highest(): number;
  /** What follows the number without a gap; forgets everything up to it. */
  takeRun(after: number): readonly T[];
  wait(clock: Clock, delayMs: number, signal: AbortSignal): Promise<Outcome>;
}

function createLiveBuffer<T extends Numbered>(itemsMax: number): LiveBuffer<T> {
  const items = new Map<number, T>();
  let highest = 0;
  // Kept apart from `news`, which every look at the items forgets.
  let missed = false;
  let news = Promise.withResolvers<Outcome>();
  return {
    add(added) {
      for (const item of added) {
        highest = Math.max(highest, item.sequence);
        if (items.size < itemsMax) items.set(item.sequence, item);
      }
      news.resolve('news');
    },
    missed() {
      missed = true;
      news.resolve('missed');
    },
    highest: () => highest,
    takeRun(after) {
      const run: T[] = [];
      for (let next = items.get(after + 1); next; next = items.get(next.sequence + 1)) {
        run.push(next);
      }
      const reached = run.at(-1)?.sequence ?? after;
      for (const sequence of items.keys()) {
        if (sequence <= reached) items.delete(sequence);
      }
      news = Promise.withResolvers<Outcome>();
      return run;
    },
    async wait(clock, delayMs, signal) {
      const stop = new AbortController();
      const timer = clock.sleep(delayMs, AbortSignal.any([signal, stop.signal])).then(
        () => 'time' as const,
        () => 'time' as const,
      );
      const outcome = missed ? 'missed' : await Promise.race([news.promise, timer]);
      stop.abort();
      signal.throwIfAborted();
      if (!missed) return outcome;
      missed = false;
      return 'missed';
    },
  };
}
