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
import type { ApplicationLogs, LogPosition } from './application-logs.ts';
import { fitLines } from './fit-lines.ts';

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
const cursorIntervalMs = 3000;
const followRetryMs = 1000;
const readMsMax = 5000;
/**
 * How far back a first cursor starts: the lines of a service's first start are wanted, a whole
 * history is not; that is read on demand.
 */
const backlogLinesMax = 500;

/** Of a backlog longer than this the older part is left to reading on demand. */
const lagLinesMax = 5000;

interface Tail {
  readonly serviceId: ServiceId;
  cursor: number;
  savedCursor: number;
  newest: number;
  isShipping: boolean;
}

export function shipLogs(deps: ShipLogsDeps): LogShipper {
  return new TailingShipper(deps);
}

class TailingShipper implements LogShipper {
  readonly #deps: ShipLogsDeps;
  readonly #closing = new AbortController();
  readonly #tails = new Map<ServiceId, Tail>();
  readonly #shipments = new Set<Promise<void>>();
  readonly #running: Promise<unknown>;

  constructor(deps: ShipLogsDeps) {
    this.#deps = deps;
    for (const { serviceId, sequence } of deps.cursors) {
      const known = { cursor: sequence, savedCursor: sequence, newest: sequence };
      this.#tails.set(serviceId, { serviceId, ...known, isShipping: false });
    }
    this.#running = Promise.all([this.#follow(), this.#keepCursors()]);
  }

  wake(): void {
    for (const tail of this.#tails.values()) this.#wake(tail);
  }

  async close(): Promise<void> {
    this.#closing.abort(new Error('The engine stops'));
    await this.#running;
    await Promise.all(this.#shipments);
    await this.#saveCursors().catch(() => undefined);
  }

  #notice({ serviceId, newestSequence }: LogPosition): void {
    let tail = this.#tails.get(serviceId);
    if (tail === undefined) {
      const cursor = Math.max(0, newestSequence - backlogLinesMax);
      tail = { serviceId, cursor, savedCursor: 0, newest: 0, isShipping: false };
      this.#tails.set(serviceId, tail);
    }
    // A supervisor that lost its data, or a service deleted and made anew, counts from 1 again.
    if (newestSequence < tail.cursor) tail.cursor = 0;
    tail.newest = newestSequence;
    this.#wake(tail);
  }

  #wake(tail: Tail): void {
    if (this.#closing.signal.aborted || tail.isShipping) return;
    const shipment = this.#ship(tail).finally(() => this.#shipments.delete(shipment));
    this.#shipments.add(shipment);
  }

  async #ship(tail: Tail): Promise<void> {
    const { isConnected, logger } = this.#deps;
    tail.isShipping = true;
    try {
      while (tail.cursor < tail.newest && isConnected() && !this.#closing.signal.aborted) {
        await this.#shipSome(tail);
      }
    } catch (error) {
      logger.debug({ err: toFault(error), serviceId: tail.serviceId }, 'lines wait');
    } finally {
      // In the same instant in which it found nothing more: what is written now starts it anew.
      tail.isShipping = false;
    }
  }

  async #shipSome(tail: Tail): Promise<void> {
    const { logs, publish } = this.#deps;
    const { serviceId } = tail;
    const signal = AbortSignal.any([this.#closing.signal, AbortSignal.timeout(readMsMax)]);
    const after = Math.max(tail.cursor, tail.newest - lagLinesMax);
    const page = await logs.read(serviceId, { after, limit: linesPerBatch }, signal);
    const lines = fitLines(withMark(tail.cursor, page.lines), 'oldest');
    const last = lines.at(-1);
    if (last !== undefined) await publish({ serviceId, lines });
    // Nothing there although it was announced: dropped since.
    tail.cursor = last?.sequence ?? tail.newest;
  }

  async #follow(): Promise<void> {
    const { logs, clock, logger } = this.#deps;
    const { signal } = this.#closing;
    while (!signal.aborted) {
      try {
        for await (const positions of logs.follow(signal)) {
          for (const position of positions) this.#notice(position);
        }
      } catch (error) {
        if (!signal.aborted) logger.debug({ err: error }, 'the source of log lines is away');
      }
      await clock.sleep(followRetryMs, signal).catch(() => undefined);
    }
  }

  /** Also takes up again what could not be sent when it was written. */
  async #keepCursors(): Promise<void> {
    const { clock, logger } = this.#deps;
    const { signal } = this.#closing;
    while (!signal.aborted) {
      await clock.sleep(cursorIntervalMs, signal).catch(() => undefined);
      if (signal.aborted) return;
      for (const tail of this.#tails.values()) if (tail.cursor < tail.newest) this.#wake(tail);
      await this.#saveCursors().catch((error: unknown) =>
        logger.warn({ err: error }, 'the cursors of log lines were not kept'),
      );
    }
  }

  async #saveCursors(): Promise<void> {
    const changes: JournalChange[] = [];
    for (const tail of this.#tails.values()) {
      if (tail.cursor === tail.savedCursor) continue;
      tail.savedCursor = tail.cursor;
      const { serviceId, cursor: sequence } = tail;
      changes.push({ kind: 'log_cursor_moved', serviceId, sequence });
    }
    await this.#deps.journal.commit(changes);
  }
}

/**
 * Where lines are missing, the last of them is replaced by a sentence that says so: whoever watches
 * must not take a hole for silence.
 */
function withMark(cursor: number, lines: LogBatch['lines']): LogBatch['lines'] {
  const [first] = lines;
  if (first === undefined || first.sequence <= cursor + 1) return lines;
  const missing = first.sequence - cursor - 1;
  const text = `${missing} ${missing === 1 ? 'line was' : 'lines were'} dropped before they could be sent`;
  const mark = { ...first, sequence: first.sequence - 1, stream: 'platform', text } as const;
  return [mark, ...lines];
}
