import { type Clock, Fault, toFault } from '@pilotfish/kernel';
import type { Logger } from '@pilotfish/runtime';

/** Whether the database takes deliveries, as far as is known. */
export interface StoreGate {
  /** @throws Fault `unavailable` at once while the database is known to be away */
  assertUp(): void;
  /** What the database answered: a failure of its own closes the gate. */
  report(error: unknown): void;
  /** For readiness: rejects while the database does not answer. */
  check(signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}

const pingIntervalMs = 250;

/**
 * Keeps deliveries out while the database is away, so that their senders hear 503 at once instead
 * of after a time-out, and nothing piles up in memory. Its life: up → (a failure) → down, asking
 * four times a second → (an answer) → up.
 */
export function createStoreGate(deps: {
  readonly ping: () => Promise<void>;
  readonly clock: Clock;
  readonly logger: Logger;
}): StoreGate {
  const { clock, logger, ping } = deps;
  const closing = new AbortController();
  let probing: Promise<void> | null = null;

  async function probe(): Promise<void> {
    while (!closing.signal.aborted) {
      await clock.sleep(pingIntervalMs, closing.signal).catch(() => undefined);
      try {
        if (!closing.signal.aborted) await ping();
        break;
      } catch {
        // Said once, when the gate closed.
      }
    }
    probing = null;
    if (!closing.signal.aborted) logger.info('the database answers again');
  }

  function report(error: unknown): void {
    const { code } = toFault(error);
    if (probing || (code !== 'unavailable' && code !== 'timeout')) return;
    logger.error({ err: error }, 'the database does not answer: no delivery is taken');
    probing = probe();
  }

  const down = () => new Fault('unavailable', 'Deliveries cannot be stored just now');
  return {
    report,
    assertUp() {
      if (probing) throw down();
    },
    async check(signal) {
      if (probing) throw down();
      signal.throwIfAborted();
      try {
        await ping();
      } catch (error) {
        report(error);
        throw error;
      }
    },
    async close() {
      closing.abort();
      await probing;
    },
  };
}
