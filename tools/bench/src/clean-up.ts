import { rmSync } from 'node:fs';
import { systemClock } from '@pilotfish/kernel';

/** What has to be undone at the end of a benchmark, whatever ends it. */
export interface CleanUp {
  /** Undone in the reverse order; all of it, also where one of them fails. */
  defer(undo: () => Promise<void> | void): void;
  /** A folder to be removed when all else is undone. */
  remove(folder: string): void;
  [Symbol.asyncDispose](): Promise<void>;
}

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
/** How long a benchmark may take to notice that its servers are gone. */
const noticeMsMax = 60_000;
const interruptedExitCode = 130;

/**
 * With Ctrl-C, too: what was started is then stopped at once, so that the benchmark fails at what
 * it is doing; what it starts meanwhile is stopped as soon as it says so, and then the process ends.
 */
export function cleanUp(say: (progress: string) => void): CleanUp {
  const undos: (() => Promise<void> | void)[] = [];
  const folders: string[] = [];
  let undoing = Promise.resolve();
  let isInterrupted = false;

  const undoAll = () => {
    undoing = undoing.then(async () => {
      for (let undo = undos.pop(); undo !== undefined; undo = undos.pop()) {
        try {
          await undo();
        } catch (error) {
          say(`cleaning up: ${String(error)}`);
        }
      }
    });
    return undoing;
  };
  const removeFolders = () => {
    for (const folder of folders) rmSync(folder, { recursive: true, force: true });
  };
  const onSignal = () => {
    say('interrupted: stopping what was started');
    isInterrupted = true;
    void undoAll()
      .then(() => systemClock.sleep(noticeMsMax))
      .then(() => {
        removeFolders();
        process.exit(interruptedExitCode);
      });
  };
  for (const signal of signals) process.once(signal, onSignal);
  return {
    defer(undo) {
      undos.push(undo);
      if (isInterrupted) void undoAll();
    },
    remove: (folder) => void folders.push(folder),
    async [Symbol.asyncDispose]() {
      await undoAll();
      removeFolders();
      for (const signal of signals) process.off(signal, onSignal);
      if (isInterrupted) process.exit(interruptedExitCode);
    },
  };
}
