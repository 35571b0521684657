import { type Clock, Fault } from '@pilotfish/kernel';

export interface BackendSlots {
  /** Resolves to a function that gives the slot back, once. Throws a Fault `overloaded`. */
  take(signal: AbortSignal): Promise<() => void>;
  inUse(): number;
}

const waitMsMax = 10_000;
const waitingPerSlotMax = 4;

/**
 * Bounds how many git processes work side by side. A push that only shows a log has given its slot
 * back, or a few slow deployments would keep everybody else from cloning.
 */
export function createBackendSlots(count: number, clock: Clock): BackendSlots {
  let used = 0;
  const waiting: (() => void)[] = [];

  function release(): void {
    const next = waiting.shift();
    if (next) next();
    else used--;
  }
  function once(): () => void {
    let open = true;
    return () => {
      if (open) release();
      open = false;
    };
  }
  return {
    inUse: () => used,
    async take(signal) {
      signal.throwIfAborted();
      if (used < count) {
        used++;
        return once();
      }
      if (waiting.length >= count * waitingPerSlotMax) throw busy();
      const { promise, resolve } = Promise.withResolvers<void>();
      waiting.push(resolve);
      const stop = new AbortController();
      const late = clock.sleep(waitMsMax, AbortSignal.any([signal, stop.signal])).then(
        () => 'late' as const,
        () => 'gone' as const,
      );
      const outcome = await Promise.race([promise.then(() => 'mine' as const), late]);
      stop.abort();
      if (outcome === 'mine') return once();
      const place = waiting.indexOf(resolve);
      // Handed over in the same moment: pass it on.
      if (place === -1) release();
      else waiting.splice(place, 1);
      throw busy();
    },
  };
}

function busy(): Fault {
  return new Fault('overloaded', 'Too many clones and pushes just now: try again in a moment.');
}
