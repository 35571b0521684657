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
  // Its objects live for one transaction: a large nursery would only cost memory.
  const resourceLimits = { maxYoungGenerationSizeMb: 4 };
  const worker = new Worker(workerUrl, { workerData, resourceLimits });
  const [first] = (await once(worker, 'message')) as [JournalAnswer];
  if (first.kind === 'not_opened') throw new Fault(first.code, first.detail);
  if (first.kind !== 'opened') throw new Fault('internal', 'The journal answered out of turn');
  return new JournalClient(worker, first.setAside, options.onDeath);
}

class JournalClient implements Journal {
  readonly setAside: Journal['setAside'];
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  #trouble: string | null = null;
  #lastNumber = 0;
  #dead: Error | null = null;

  constructor(worker: Worker, setAside: Journal['setAside'], onDeath: (error: Error) => void) {
    this.#worker = worker;
    this.setAside = setAside;
    worker.on('message', (answer: JournalAnswer) => this.#onAnswer(answer));
    worker.on('error', (cause) => {
      if (this.#dead !== null) return;
      const error = new Fault('internal', 'The journal failed', { cause, internal: String(cause) });
      this.#end(error);
      onDeath(error);
    });
  }

  async commit(changes: readonly JournalChange[]): Promise<void> {
    if (changes.length === 0) return;
    await this.#ask('committed', (number) => ({ kind: 'commit', number, changes }));
  }

  async readEvents(
    executionId: ExecutionId,
    after: number,
    limit: number,
  ): Promise<readonly EventRow[]> {
    const answer = await this.#ask('events', (number) => ({
      ...{ kind: 'read_events', number },
      ...{ executionId, after, limit },
    }));
    return answer.rows;
  }

  async load(): Promise<JournalContents> {
    return (await this.#ask('contents', (number) => ({ kind: 'load', number }))).contents;
  }

  trouble(): string | null {
    return this.#trouble;
  }

  async close(): Promise<void> {
    await this.#ask('closed', (number) => ({ kind: 'close', number }));
    this.#end(new Fault('unavailable', 'The journal is closed'));
    await this.#worker.terminate();
  }

  async #ask<K extends JournalAnswer['kind']>(
    kind: K,
    request: (number: number) => JournalRequest,
  ): Promise<Extract<JournalAnswer, { kind: K }>> {
    if (this.#dead !== null) throw this.#dead;
    this.#lastNumber += 1;
    const { promise, resolve, reject } = Promise.withResolvers<JournalAnswer>();
    this.#waiting.set(this.#lastNumber, { resolve, reject });
    this.#worker.postMessage(request(this.#lastNumber));
    const answer = await promise;
    if (answer.kind === kind) return answer as Extract<JournalAnswer, { kind: K }>;
    throw new Fault('internal', `The journal answered ${answer.kind} instead of ${kind}`);
  }

  #onAnswer(answer: JournalAnswer): void {
    if (answer.kind === 'trouble') this.#trouble = answer.detail;
    if (!('number' in answer)) return;
    const waiter = this.#waiting.get(answer.number);
    this.#waiting.delete(answer.number);
    if (answer.kind === 'failed') {
      const internal = answer.message;
      waiter?.reject(new Fault('internal', 'The journal refused a write', { internal }));
    } else {
      waiter?.resolve(answer);
    }
  }

  #end(error: Error): void {
    this.#dead = error;
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }
}
