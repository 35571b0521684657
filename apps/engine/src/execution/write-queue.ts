import type { Clock } from '@pilotfish/kernel';
import type { JournalChange } from '../journal/change.ts';
import type { Journal } from '../journal/journal.ts';
import type { Execution } from './execution.ts';

/** Lines wait this long for company before they are written and published. */
const lineDelayMs = 15;

/** Brings changes to the journal in the order in which they were made. */
export interface WriteQueue {
  /** Resolves when these, and all before them, are durable. */
  now(changes: readonly JournalChange[], execution?: Execution): Promise<void>;
  /** Within some milliseconds, together with others. */
  soon(changes: readonly JournalChange[], execution: Execution): void;
}

export interface WriteQueueDeps {
  readonly journal: Pick<Journal, 'commit'>;
  readonly clock: Clock;
  /** There are durable events beyond what is confirmed. */
  readonly onPublishable: (execution: Execution) => void;
}

export function createWriteQueue({ journal, clock, onPublishable }: WriteQueueDeps): WriteQueue {
  let waiting: JournalChange[] = [];
  let touched = new Set<Execution>();
  let timer: AbortController | null = null;

  async function flush(): Promise<void> {
    timer?.abort();
    timer = null;
    const changes = waiting;
    const written = [...touched].map((execution) => ({
      execution,
      sequence: execution.lastSequence,
    }));
    waiting = [];
    touched = new Set();
    await journal.commit(changes);
    for (const { execution, sequence } of written) {
      if (sequence > execution.durableSequence) execution.durableSequence = sequence;
      if (execution.durableSequence > execution.confirmedSequence) onPublishable(execution);
    }
  }

  return {
    now(changes, execution) {
      waiting.push(...changes);
      if (execution !== undefined) touched.add(execution);
      return flush();
    },
    soon(changes, execution) {
      waiting.push(...changes);
      touched.add(execution);
      if (timer !== null) return;
      const alarm = new AbortController();
      timer = alarm;
      clock.sleep(lineDelayMs, alarm.signal).then(
        // A journal that fails is told by whoever waits for the next write.
        () => flush().catch(() => undefined),
        () => undefined,
      );
    },
  };
}
