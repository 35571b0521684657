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
  /** Steps side by side. */
  readonly lanes?: number;
  /** Does one piece of work; false where there was none. */
  readonly step: (signal: AbortSignal) => Promise<boolean>;
}

/**
 * Runs `step` again and again: at once while there is work, else when rung or after the interval.
 * A step that throws is logged, and tried again after the interval.
 */
export function createLoop(
  { clock, logger }: { readonly clock: Clock; readonly logger: Logger },
  { name, intervalMs, lanes = 1, step }: LoopOptions,
): Loop {
  const closing = new AbortController();
  let rings = 0;
  let wake = new AbortController();

  async function runLane(): Promise<void> {
    while (!closing.signal.aborted) {
      const heard = rings;
      let worked = false;
      try {
        worked = await step(closing.signal);
      } catch (thrown) {
        if (!closing.signal.aborted) {
          const fault = toFault(thrown);
          logger.error({ err: fault, internal: fault.internal, loop: name }, 'a step failed');
        }
      }
      // Rung while it worked: the news may be younger than what the step saw.
      if (worked || heard !== rings) continue;
      const signal = AbortSignal.any([closing.signal, wake.signal]);
      await clock.sleep(intervalMs, signal).catch(() => undefined);
    }
  }

  const ended = Promise.all(Array.from({ length: lanes }, runLane));
  return {
    ring() {
      rings += 1;
      wake.abort();
      wake = new AbortController();
    },
    async close() {
      closing.abort(new Error(`${name} is being closed`));
      await ended;
    },
  };
}
