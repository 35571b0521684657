/**
 * Gives back what a process no longer needs. V8 collects garbage when it wants to allocate: an idle
 * process never does, and keeps what its start or its last busy minute left behind, a fifth to a
 * third of its heap. So it is asked to collect once the start is over, and again whenever the heap
 * has grown and nothing much is going on.
 */
import { performance } from 'node:perf_hooks';
import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Clock } from '@pilotfish/kernel';

/** The heap and the event loop of this process. */
export interface Heap {
  usedBytes(): number;
  /** For how long the event loop has worked so far. */
  activeMs(): number;
  /** A full collection: 20 to 50 ms in which nothing else runs. */
  collect(): void;
}

/** Long enough for a start and what follows it at once: connections, the first requests. */
const lookEveryMs = 10_000;
/** Below this the pause of a collection is not worth it. */
const growthBytesMin = 2 * 1024 * 1024;
/** Where the event loop works more, somebody waits for it, and V8 will collect by itself. */
const activeShareMax = 0.05;

export const ownHeap: Heap = {
  usedBytes: () => getHeapStatistics().used_heap_size,
  activeMs: () => performance.eventLoopUtilization().active,
  collect() {
    // Given on the command line, either flag makes V8 refuse the compiled form of Node's own modules
    // (1 MB and 100 ms of each start); given now, both do what they should.
    setFlagsFromString('--optimize-for-size');
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as (options: object) => void;
    setFlagsFromString('--no-expose-gc');
    collect({ type: 'major', execution: 'sync', flavor: 'last-resort' });
  },
};

/** Looks at the heap until the signal aborts. */
export async function keepSmall(heap: Heap, clock: Clock, signal: AbortSignal): Promise<void> {
  let smallestBytes = 0;
  for (;;) {
    const activeBeforeMs = heap.activeMs();
    const beganMs = clock.monotonicMs();
    await clock.sleep(lookEveryMs, signal).catch(() => undefined);
    if (signal.aborted) return;
    const active = heap.activeMs() - activeBeforeMs;
    if (active > activeShareMax * (clock.monotonicMs() - beganMs)) continue;
    if (heap.usedBytes() < smallestBytes + growthBytesMin) continue;
    heap.collect();
    smallestBytes = heap.usedBytes();
  }
}
