/** Which executions run: at most one per environment, at most so many at once, older ones first. */
import type { EnvironmentId } from '@pilotfish/kernel';
import { untilAborted } from '../until-aborted.ts';
import type { Execution } from './execution.ts';

export interface Runner {
  /** Runs it as soon as its turn has come. */
  submit(execution: Execution): void;
  /** Never below 0: those that wait for their environment count too. */
  freeSlots(): number;
  /** Resolves while there is a free slot; rejects with the signal's reason. */
  slotFree(signal: AbortSignal): Promise<void>;
  running(): readonly Execution[];
  /** Resolves when nothing runs any more. Those that wait are left to the next start. */
  close(): Promise<void>;
}

export interface RunnerDeps {
  readonly slots: number;
  /** Never rejects. */
  readonly run: (execution: Execution) => Promise<void>;
}

export function createRunner({ slots, run }: RunnerDeps): Runner {
  const running = new Map<EnvironmentId, { execution: Execution; ended: Promise<void> }>();
  let waiting: Execution[] = [];
  let slotWaiters: (() => void)[] = [];
  let closing = false;

  function startNext(): void {
    if (closing) return;
    // In order of generation: the newer state of an environment must win.
    waiting.sort((a, b) => a.row.generation - b.row.generation);
    for (const execution of [...waiting]) {
      if (running.size >= slots) break;
      if (running.has(execution.environmentId)) continue;
      waiting = waiting.filter((other) => other !== execution);
      const ended = run(execution).then(() => {
        running.delete(execution.environmentId);
        startNext();
      });
      running.set(execution.environmentId, { execution, ended });
    }
    if (freeSlots() > 0) {
      const waiters = slotWaiters;
      slotWaiters = [];
      for (const wake of waiters) wake();
    }
  }

  const freeSlots = () => Math.max(0, slots - running.size - waiting.length);
  return {
    submit(execution) {
      waiting.push(execution);
      startNext();
    },
    freeSlots,
    async slotFree(signal) {
      while (freeSlots() === 0) {
        const { promise, resolve } = Promise.withResolvers<void>();
        slotWaiters.push(resolve);
        await untilAborted(promise, signal);
      }
    },
    running: () => [...running.values()].map(({ execution }) => execution),
    async close() {
      closing = true;
      await Promise.all([...running.values()].map(({ ended }) => ended));
    },
  };
}
