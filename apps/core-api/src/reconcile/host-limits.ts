import type { Clock } from '@pilotfish/kernel';

/** How much one process asks of one host. */
export interface HostLimits {
  /** At a time. */
  readonly lanes: number;
  /** Between the beginnings of two questions. */
  readonly spacingMs: number;
}

export interface HostTurns {
  /** Hosts whose lanes are all taken. */
  busy(): readonly string[];
  /** Asks once it is the host's turn. */
  run<T>(host: string, signal: AbortSignal, ask: () => Promise<T>): Promise<T>;
}

/** Keeps one slow host from holding up the others, and a fast one from being asked too often. */
export function createHostTurns(clock: Clock, { lanes, spacingMs }: HostLimits): HostTurns {
  const running = new Map<string, number>();
  const nextAtMs = new Map<string, number>();
  return {
    busy: () => [...running].filter(([, count]) => count >= lanes).map(([host]) => host),
    async run(host, signal, ask) {
      running.set(host, (running.get(host) ?? 0) + 1);
      try {
        const nowMs = clock.monotonicMs();
        const atMs = Math.max(nowMs, nextAtMs.get(host) ?? 0);
        nextAtMs.set(host, atMs + spacingMs);
        if (atMs > nowMs) await clock.sleep(atMs - nowMs, signal);
        return await ask();
      } finally {
        const left = (running.get(host) ?? 1) - 1;
        running.set(host, left);
        if (left === 0) {
          // Nothing is kept of a host that nobody asks any more.
          running.delete(host);
          if ((nextAtMs.get(host) ?? 0) <= clock.monotonicMs()) nextAtMs.delete(host);
        }
      }
    },
  };
}
