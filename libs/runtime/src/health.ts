/** Throws, or rejects, while a dependency is missing. The signal aborts after the check's time. */
export type HealthCheck = (signal: AbortSignal) => Promise<void> | void;

/** A dependency that does not answer, and what it said. */
export interface FailingCheck {
  readonly name: string;
  readonly reason: string;
}

export interface Readiness {
  readonly ready: boolean;
  readonly failing: readonly FailingCheck[];
}

/** Whether this process lives, and whether it may get work. */
export interface Health {
  /** Adds a dependency; returns a function that removes it again. */
  register(name: string, check: HealthCheck): () => void;
  /** True as long as the event loop turns: only a restart helps otherwise. */
  live(): boolean;
  /** Asks all dependencies side by side. */
  ready(): Promise<Readiness>;
  /** From here on not ready: a load balancer sends no new work while open work ends. */
  startStopping(): void;
}

/** How long one dependency may take to answer. */
const checkMsMax = 2000;

export function createHealth(): Health {
  const checks = new Map<string, HealthCheck>();
  let stopping = false;
  return {
    register(name, check) {
      checks.set(name, check);
      return () => {
        if (checks.get(name) === check) checks.delete(name);
      };
    },
    live: () => true,
    async ready() {
      const results = await Promise.all([...checks].map(([name, check]) => runCheck(name, check)));
      const failing = results.filter((result) => result !== null);
      if (stopping) failing.unshift({ name: 'process', reason: 'is stopping' });
      return { ready: failing.length === 0, failing };
    },
    startStopping() {
      stopping = true;
    },
  };
}

async function runCheck(name: string, check: HealthCheck): Promise<FailingCheck | null> {
  const signal = AbortSignal.timeout(checkMsMax);
  const { promise: late, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(new Error(`no answer within ${checkMsMax} ms`));
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    // The race also covers checks that do not listen to the signal.
    await Promise.race([check(signal), late]);
    return null;
  } catch (error) {
    return { name, reason: error instanceof Error ? error.message : String(error) };
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
