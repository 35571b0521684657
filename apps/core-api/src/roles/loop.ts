import type { Clock } from '@pilotfish/kernel';
import { toFault } from '@pilotfish/kernel';
import type { Logger } from '@pilotfish/runtime';

/** Work that goes on until it is closed. */
export interface Loop {
  /** Look now; cheap, and harmless to ring too often. */
  ring(): void;
  /** Takes nothing new and waits for what is under way. */
  close(): Promise<void>;
}

export interface LoopOptions {
  readonly name: string;
  /** How long to wait where there was nothing to do. */
  readonly intervalMs: number;
  /** Steps side by side while there is enough to do; while there is nothing, only one lane looks. */
  readonly lanes?: number;
  /** Does one piece of work; false where there was none. */
  readonly step: (signal: AbortSignal) => Promise<boolean>;
}

/**
 * Runs `step` again and again: at once while there is work, else when rung or after the interval.
 * A step that throws is logged, and tried again after the interval.
 *
 * A lane that found work wakes the next one, so that all of them work under load and an idle loop
 * asks the database once per interval, however many lanes it has.
 */
export function createLoop(
  { clock, logger }: { readonly clock: Clock; readonly logger: Logger },
  { name, intervalMs, lanes = 1, step }: LoopOptions,
): Loop {
  const closing = new AbortController();
  const idle: (() => void)[] = [];
  // Rung while every lane was at work: the news may be younger than what they saw.
  let isRung = false;

  function wakeOne(): void {
    const wake = idle.shift();
    if (wake === undefined) isRung = true;
    else wake();
  }

  async function tryStep(): Promise<boolean> {
    try {
      return await step(closing.signal);
    } catch (thrown) {
      if (!closing.signal.aborted) {
        const fault = toFault(thrown);
        logger.error({ err: fault, internal: fault.internal, loop: name }, 'a step failed');
      }
      return false;
    }
  }

  async function runLane(): Promise<void> {
    while (!closing.signal.aborted) {
      isRung = false;
      if (await tryStep()) {
        wakeOne();
      } else if (!isRung && !closing.signal.aborted) {
        const { promise, resolve } = Promise.withResolvers<void>();
        idle.push(resolve);
        await promise;
      }
    }
  }

  async function tick(): Promise<void> {
    while (!closing.signal.aborted) {
      await clock.sleep(intervalMs, closing.signal).catch(() => undefined);
      // Busy lanes look again by themselves.
      if (idle.length > 0) wakeOne();
    }
    for (const wake of idle.splice(0)) wake();
  }

  const ended = Promise.all([tick(), ...Array.from({ length: lanes }, runLane)]);
  return {
    ring: wakeOne,
    async close() {
      closing.abort(new Error(`${name} is being closed`));
      await ended;
    },
  };
}
