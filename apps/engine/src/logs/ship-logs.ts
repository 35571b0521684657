/**
 * Sends what applications write to whoever watches, in order and from a cursor that survives a
 * restart: follow → per service read after the cursor → publish → move the cursor. The cursor is
 * written now and then, so that after a crash a few lines are sent twice; they carry their sequence
 * and are recognised. Nothing waits for this: lines that the source has dropped meanwhile are
 * replaced by a mark.
 */
import type { LogBatch } from '@pilotfish/contracts';
import { type Clock, type ServiceId, toFault } from '@pilotfish/kernel';
import type { Logger } from '@pilotfish/runtime';
import type { JournalChange } from '../journal/change.ts';
import type { Journal } from '../journal/journal.ts';
import type { ApplicationLogs } from './application-logs.ts';

export interface ShipLogsDeps {
  readonly logs: ApplicationLogs;
  readonly publish: (batch: LogBatch) => Promise<void>;
  readonly isConnected: () => boolean;
  readonly journal: Pick<Journal, 'commit'>;
  readonly cursors: readonly { readonly serviceId: ServiceId; readonly sequence: number }[];
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface LogShipper {
  /** After a connect: what was written meanwhile is sent. */
  wake(): void;
  close(): Promise<void>;
}

const linesPerBatch = 200;
/** A message stays below 256 KiB; a line has at most 16. */
const batchBytesMax = 128 * 1024;
const cursorIntervalMs = 3000;
const followRetryMs = 1000;
const readMsMax = 5000;
/**
 * How far back a first cursor starts: the lines of a service's first start are wanted, a whole
 * history is not; that is read on demand.
 */
const backlogLinesMax = 500;

interface Tail {
  readonly serviceId: ServiceId;
  cursor: number;
  savedCursor: number;
  newest: number;
  shipping: boolean;
}

export function shipLogs(deps: ShipLogsDeps): LogShipper {
  const { logs, clock, logger } = deps;
  const closing = new AbortController();
  const { signal } = closing;
  const tails = new Map<ServiceId, Tail>();
  for (const { serviceId, sequence } of deps.cursors) {
    const known = { cursor: sequence, savedCursor: sequence, newest: sequence };
    tails.set(serviceId, { serviceId, ...known, shipping: false });
  }

  function noticed(serviceId: ServiceId, newestSequence: number): void {
    let tail = tails.get(serviceId);
    if (tail === undefined) {
      const cursor = Math.max(0, newestSequence - backlogLinesMax);
      tail = { serviceId, cursor, savedCursor: 0, newest: 0, shipping: false };
      tails.set(serviceId, tail);
    }
    // A supervisor that lost its data, or a service deleted and made anew, counts from 1 again.
    if (newestSequence < tail.cursor) tail.cursor = 0;
    tail.newest = newestSequence;
    wake(tail);
  }

  function wake(tail: Tail): void {
    if (tail.shipping || signal.aborted) return;
    tail.shipping = true;
    ship(tail)
      .catch((error: unknown) =>
        logger.debug({ err: toFault(error), serviceId: tail.serviceId }, 'lines wait'),
      )
      .finally(() => {
        tail.shipping = false;
      });
  }

  async function ship(tail: Tail): Promise<void> {
    while (tail.cursor < tail.newest && deps.isConnected() && !signal.aborted) {
      const readSignal = AbortSignal.any([signal, AbortSignal.timeout(readMsMax)]);
      const query = { after: tail.cursor, limit: linesPerBatch };
      const page = await logs.read(tail.serviceId, query, readSignal);
      const lines = fitting(page.lines);
      const last = lines.at(-1);
      if (last === undefined) {
        tail.cursor = tail.newest;
        return;
      }
      await deps.publish({ serviceId: tail.serviceId, lines });
      tail.cursor = last.sequence;
    }
  }

  async function follow(): Promise<void> {
    while (!signal.aborted) {
      try {
        for await (const positions of logs.follow(signal)) {
          for (const { serviceId, newestSequence } of positions) noticed(serviceId, newestSequence);
        }
      } catch (error) {
        if (!signal.aborted) logger.debug({ err: error }, 'the source of log lines is away');
      }
      await clock.sleep(followRetryMs, signal).catch(() => undefined);
    }
  }

  async function saveCursors(): Promise<void> {
    const changes: JournalChange[] = [];
    for (const tail of tails.values()) {
      if (tail.cursor === tail.savedCursor) continue;
      tail.savedCursor = tail.cursor;
      const { serviceId, cursor: sequence } = tail;
      changes.push({ kind: 'log_cursor_moved', serviceId, sequence });
    }
    await deps.journal.commit(changes);
  }

  async function keepCursors(): Promise<void> {
    while (!signal.aborted) {
      await clock.sleep(cursorIntervalMs, signal).catch(() => undefined);
      await saveCursors();
      for (const tail of tails.values()) if (tail.cursor < tail.newest) wake(tail);
    }
  }

  const running = Promise.all([
    follow(),
    keepCursors().catch((error: unknown) => logger.error({ err: error }, 'cursors are not kept')),
  ]);
  return {
    wake: () => {
      for (const tail of tails.values()) wake(tail);
    },
    async close() {
      closing.abort(new Error('The engine stops'));
      await running;
    },
  };
}

/** As many lines as fit into one message; at least one. */
function fitting(lines: LogBatch['lines']): LogBatch['lines'] {
  let bytes = 0;
  const end = lines.findIndex((line, index) => {
    bytes += Buffer.byteLength(line.text) + 200;
    return index > 0 && bytes > batchBytesMax;
  });
  return end === -1 ? lines : lines.slice(0, end);
}
