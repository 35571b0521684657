/**
 * The engine's memory that survives it: open → `load` → `commit` as it works → `close`. After a
 * `kill -9` it holds exactly what had been committed.
 */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { type ExecutionId, Fault } from '@pilotfish/kernel';
import type { EventRow, JournalChange, JournalContents } from './change.ts';
import type { JournalAnswer, JournalRequest, JournalWorkerData } from './protocol.ts';

export interface Journal {
  /**
   * Resolves when all changes are on the disk (fsynced), together. Commits become durable in the
   * order in which they were asked for.
   */
  commit(changes: readonly JournalChange[]): Promise<void>;
  /** Events above `after`, in order; confirmed lines are gone. At most `limit`. */
  readEvents(executionId: ExecutionId, after: number, limit: number): Promise<readonly EventRow[]>;
  load(): Promise<JournalContents>;
  /** Why writes are held up just now (the disk is full), for the health check; else null. */
  trouble(): string | null;
  /** A damaged journal that was moved aside when this one was opened; null where all was well. */
  readonly setAside: { readonly file: string; readonly reason: string } | null;
  close(): Promise<void>;
}

export interface JournalOptions {
  readonly file: string;
  /** Called once if the thread dies: nothing can be made durable any more, the process must end. */
  readonly onDeath: (error: Error) => void;
}

type Waiting = {
  readonly resolve: (answer: JournalAnswer) => void;
  readonly reject: (error: Error) => void;
};

// In this very form the bundler finds it and points it to the thread's own bundle.
const workerUrl = new URL('./journal-worker.ts', import.meta.url);

/** @throws Fault `conflict` (in use, or written by a newer engine), `unavailable` (cannot be opened) */
export async function openJournal(options: JournalOptions): Promise<Journal> {
  const workerData: JournalWorkerData = { pilotfishJournal: options.file };
  const worker = new Worker(workerUrl, { workerData });
  const [first] = (await once(worker, 'message')) as [JournalAnswer];
  if (first.kind === 'not_opened') throw new Fault(first.code, first.detail);
  if (first.kind !== 'opened') throw new Fault('internal', 'The journal answered out of turn');

  const waiting = new Map<number, Waiting>();
  let trouble: string | null = null;
  let lastNumber = 0;
  let dead: Error | null = null;

  worker.on('message', (answer: JournalAnswer) => {
    if (answer.kind === 'trouble') trouble = answer.detail;
    if (!('number' in answer)) return;
    const waiter = waiting.get(answer.number);
    waiting.delete(answer.number);
    if (answer.kind === 'failed') {
      waiter?.reject(
        new Fault('internal', 'The journal refused a write', { internal: answer.message }),
      );
    } else {
      waiter?.resolve(answer);
    }
  });
  const end = (error: Error) => {
    dead = error;
    for (const { reject } of waiting.values()) reject(error);
    waiting.clear();
  };
  const onDeath = (error: Error) => {
    if (dead !== null) return;
    end(error);
    options.onDeath(error);
  };
  worker.on('error', (error) =>
    onDeath(new Fault('internal', 'The journal failed', { cause: error, internal: String(error) })),
  );

  function ask<K extends JournalAnswer['kind']>(
    kind: K,
    request: (number: number) => JournalRequest,
  ): Promise<Extract<JournalAnswer, { kind: K }>> {
    if (dead !== null) return Promise.reject(dead);
    lastNumber += 1;
    const number = lastNumber;
    const { promise, resolve, reject } = Promise.withResolvers<JournalAnswer>();
    waiting.set(number, { resolve, reject });
    worker.postMessage(request(number));
    return promise.then((answer) => {
      if (answer.kind === kind) return answer as Extract<JournalAnswer, { kind: K }>;
      throw new Fault('internal', `The journal answered ${answer.kind} instead of ${kind}`);
    });
  }

  return {
    setAside: first.setAside,
    async commit(changes) {
      if (changes.length > 0)
        await ask('committed', (number) => ({ kind: 'commit', number, changes }));
    },
    async readEvents(executionId, after, limit) {
      const { rows } = await ask('events', (number) => ({
        kind: 'read_events',
        number,
        executionId,
        after,
        limit,
      }));
      return rows;
    },
    async load() {
      return (await ask('contents', (number) => ({ kind: 'load', number }))).contents;
    },
    trouble: () => trouble,
    async close() {
      await ask('closed', (number) => ({ kind: 'close', number }));
      end(new Fault('unavailable', 'The journal is closed'));
      await worker.terminate();
    },
  };
}
