/** What has to be undone at the end of a benchmark, whatever ends it. */
export interface CleanUp {
  /** Undone in the reverse order; all of it, also where one of them fails. */
  defer(undo: () => Promise<void> | void): void;
  [Symbol.asyncDispose](): Promise<void>;
}

/** With Ctrl-C, too: it is then all undone before the process ends. */
export function cleanUp(say: (progress: string) => void): CleanUp {
  const undos: (() => Promise<void> | void)[] = [];
  let under: Promise<void> | null = null;
  const undoAll = async () => {
    for (let undo = undos.pop(); undo !== undefined; undo = undos.pop()) {
      try {
        await undo();
      } catch (error) {
        say(`cleaning up: ${String(error)}`);
      }
    }
  };
  const dispose = () => {
    under ??= undoAll();
    return under;
  };
  const onSignal = () => {
    say('interrupted: stopping what was started');
    void dispose().then(() => process.exit(130));
  };
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const signal of signals) process.once(signal, onSignal);
  return {
    defer: (undo) => void undos.push(undo),
    async [Symbol.asyncDispose]() {
      await dispose();
      for (const signal of signals) process.off(signal, onSignal);
    },
  };
}
