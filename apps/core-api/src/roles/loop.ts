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

export interface QuietOptions {
  readonly intervalMs: number;
  /** False while nobody can ring: without NATS the interval is all there is. */
  readonly isRung: () => boolean;
}

export interface LoopDeps {
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface LoopOptions {
  readonly name: string;
  /** How long to wait where there was nothing to do. */
  readonly intervalMs: number;
  /** For loops that are rung: how rarely it is enough to look while the bells are heard. */
  readonly quiet?: QuietOptions;
  /** Steps side by side while there is enough to do; while there is nothing, only one lane looks. */
  readonly lanes?: number;
  /** Does one piece of work; false where there was none. */
  readonly step: (signal: AbortSignal) => Promise<boolean>;
}

/**
 * For so long after the last work or failure a loop looks at its usual interval: what is tried again
 * in a moment is not rung for.
 */
const recentMs = 30_000;

/**
 * Runs `step` again and again: at once while there is work, else when rung or after the interval.
 * A step that throws is logged, and tried again after the interval.
 *
 * A lane that found work wakes the next one, so that all of them work under load and an idle loop
 * asks the database once per interval, however many lanes it has.
 */
export function createLoop(
  { clock, logger }: LoopDeps,
  { name, intervalMs, quiet, lanes = 1, step }: LoopOptions,
): Loop {
  const closing = new AbortController();
  const idle: (() => void)[] = [];
  // Rung while every lane was at work: the news may be younger than what they saw.
  let isRung = false;
  let workedMs = clock.monotonicMs();

  function wakeOne(): void {
    const wake = idle.shift();
    if (wake === undefined) isRung = true;
    else wake();
  }

  async function tryStep(): Promise<boolean> {
    let worked = true;
    try {
      worked = await step(closing.signal);
      return worked;
    } catch (thrown) {
      if (!closing.signal.aborted) {
        const fault = toFault(thrown);
        logger.error({ err: fault, internal: fault.internal, loop: name }, 'a step failed');
      }
      return false;
    } finally {
      if (worked) workedMs = clock.monotonicMs();
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
    let lookedMs = clock.monotonicMs();
    while (!closing.signal.aborted) {
      await clock.sleep(intervalMs, closing.signal).catch(() => undefined);
      const nowMs = clock.monotonicMs();
      if (isTooEarly(quiet, { nowMs, workedMs, lookedMs })) continue;
      lookedMs = nowMs;
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

/** True while the bells are heard, nothing happened lately, and the last look is not long ago. */
function isTooEarly(
  quiet: QuietOptions | undefined,
  at: { readonly nowMs: number; readonly workedMs: number; readonly lookedMs: number },
): boolean {
  if (quiet === undefined || at.nowMs - at.workedMs <= recentMs || !quiet.isRung()) return false;
  return at.nowMs - at.lookedMs < quiet.intervalMs;
}
