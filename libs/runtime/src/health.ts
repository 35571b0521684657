import { Fault } from '@pilotfish/kernel';

/** Throws, or rejects, while a dependency is missing. The signal aborts after the check's time. */
export type HealthCheck = (signal: AbortSignal) => Promise<void> | void;

/** A dependency that does not answer, and what it said. */
export interface FailingCheck {
  readonly name: string;
  readonly reason: string;
  /** It threw a Fault that is never retried: somebody has to change something, waiting is in vain. */
  readonly isLasting?: true;
}

export interface Readiness {
  readonly ready: boolean;
  /** What is missing without which this process can do nothing. */
  readonly failing: readonly FailingCheck[];
  /** What is missing without which it does its work later or worse. */
  readonly degraded: readonly FailingCheck[];
}

export interface CheckOptions {
  /** True where the process works on without it: it is named, and the process stays ready. */
  readonly isOptional?: boolean;
}

/** Whether this process lives, and whether it may get work. */
export interface Health {
  /** Adds a dependency; returns a function that removes it again. */
  register(name: string, check: HealthCheck, options?: CheckOptions): () => void;
  /** True as long as the event loop turns: only a restart helps otherwise. */
  live(): boolean;
  /** Asks all dependencies side by side. */
  ready(): Promise<Readiness>;
  /** From here on not ready: a load balancer sends no new work while open work ends. */
  startStopping(): void;
}

/** How long one dependency may take to answer: whoever asks gives up after two seconds or more. */
const checkMsMax = 1500;

export function createHealth(): Health {
  const checks = new Map<string, { check: HealthCheck; isOptional: boolean }>();
  let stopping = false;
  return {
    register(name, check, { isOptional = false } = {}) {
      const registered = { check, isOptional };
      checks.set(name, registered);
      return () => {
        if (checks.get(name) === registered) checks.delete(name);
      };
    },
    live: () => true,
    async ready() {
      const registered = [...checks];
      const results = await Promise.all(
        registered.map(([name, { check }]) => runCheck(name, check)),
      );
      const missing = (isOptional: boolean) =>
        results.filter(
          (result, index) => result !== null && registered[index]?.[1].isOptional === isOptional,
        ) as FailingCheck[];
      const failing = missing(false);
      if (stopping) failing.unshift({ name: 'process', reason: 'is stopping' });
      return { ready: failing.length === 0, failing, degraded: missing(true) };
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
    const reason = error instanceof Error ? error.message : String(error);
    const isLasting = error instanceof Fault && !error.retryable;
    return { name, reason, ...(isLasting ? { isLasting } : {}) };
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
