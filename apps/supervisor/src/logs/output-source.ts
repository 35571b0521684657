/**
 * Reads one file that an application appends its output to, and gives back what was read.
 *
 * The application writes at its own pace, is never blocked by us and outlives us. So the file
 * grows by what it writes, and shrinks by what was kept: holes are punched into its front. What is
 * written faster than it may be read is left out, with a line that says so.
 */
import { closeSync, fstatSync, openSync, readSync, truncateSync } from 'node:fs';
import type { LogLine } from '@pilotfish/contracts';
import { errnoOf } from '../system-fault.ts';
import { splitLines } from './line-splitter.ts';
import type { HolePuncher } from './reclaim.ts';
import type { PendingLine, SegmentLog, SourcePosition } from './segment-log.ts';

export interface OutputLimits {
  /** Read from one file in one go. */
  readonly readBytesMax: number;
  /** Unread output above this is left out up to the newest `keepBytes`. */
  readonly backlogBytesMax: number;
  readonly keepBytes: number;
  /** Space at the front is given back when it has grown to this. */
  readonly reclaimBytes: number;
  /** The file's length, holes included, above which it is cut instead. */
  readonly lengthBytesMax: number;
  /** An unfinished line is taken as it is after this long without more. */
  readonly partialLineMs: number;
}

export interface OutputSourceDeps {
  readonly path: string;
  /** The file's name, unique for all times: the key of its position in the log. */
  readonly key: string;
  readonly stream: Extract<LogLine['stream'], 'stdout' | 'stderr'>;
  readonly instance: string;
  readonly version: string;
  readonly log: SegmentLog;
  readonly limits: OutputLimits;
  readonly holes: HolePuncher;
  now(): string;
  monotonicMs(): number;
}

export class OutputSource {
  readonly #deps: OutputSourceDeps;
  #descriptor: number | null = null;
  #position: SourcePosition;
  #lengthSeen = 0;
  #lengthSeenAt = 0;
  #reclaimed = 0;
  #reclaiming = false;

  constructor(deps: OutputSourceDeps) {
    this.#deps = deps;
    this.#position = deps.log.position(deps.key);
  }

  get key(): string {
    return this.#deps.key;
  }

  get path(): string {
    return this.#deps.path;
  }

  /** More was written than was taken: an unfinished line, or what no disk had room for. */
  get isBehind(): boolean {
    return this.#lengthSeen > this.#position.offset;
  }

  /**
   * Moves what is new into the log.
   *
   * @param final the writer has ended: an unfinished line is taken too
   * @returns the lines that were kept; empty when there was nothing
   * @throws the system's error when the log cannot be written; nothing was moved then
   */
  take(final: boolean): PendingLine[] {
    const descriptor = this.#open();
    if (descriptor === null) return [];
    const { length, silent } = this.#measure(descriptor);
    if (length === this.#position.offset) return [];
    const { limits, log, stream } = this.#deps;
    const tooMuch = length - this.#position.offset > limits.backlogBytesMax;
    const kept = tooMuch ? this.#leaveOut(length - limits.keepBytes, true) : [];
    const byteCount = Math.min(limits.readBytesMax, length - this.#position.offset);
    const bytes = readAt(descriptor, this.#position.offset, byteCount);
    const atEnd = this.#position.offset + bytes.length >= length;
    const found = splitLines(bytes, this.#position.skipping, atEnd && (final || silent));
    const lines = found.lines.map((line) =>
      this.#line(stream, line.text, {
        offset: this.#position.offset + line.end,
        skipping: line.cut,
      }),
    );
    if (lines.length > 0) log.append(lines);
    const offset = this.#position.offset + found.consumed;
    this.#position = { offset, skipping: found.skipping };
    return [...kept, ...lines, ...this.#cutIfNeeded(descriptor)];
  }

  /** Gives read space back, at most once at a time; never throws. */
  async reclaim(): Promise<void> {
    const { limits, holes, log, path } = this.#deps;
    const upTo = this.#position.offset - (this.#position.offset % 4096);
    if (this.#reclaiming || upTo - this.#reclaimed < limits.reclaimBytes) return;
    if (!holes.available()) return;
    this.#reclaiming = true;
    try {
      await log.flush();
      if (await holes.punch(path, upTo)) this.#reclaimed = upTo;
    } catch {
      // The log's disk does not take it: then the original is kept too.
    } finally {
      this.#reclaiming = false;
    }
  }

  close(): void {
    if (this.#descriptor !== null) closeSync(this.#descriptor);
    this.#descriptor = null;
  }

  #open(): number | null {
    try {
      this.#descriptor ??= openSync(this.#deps.path, 'r');
    } catch (error) {
      // Not there: read to its end and removed by a former supervisor.
      if (errnoOf(error) !== 'ENOENT') throw error;
    }
    return this.#descriptor;
  }

  #measure(descriptor: number): { readonly length: number; readonly silent: boolean } {
    const { log, key, limits, monotonicMs } = this.#deps;
    const length = fstatSync(descriptor).size;
    if (length < this.#position.offset) {
      // It was cut: by us just before a crash, or by an application that reopened its output.
      log.reset(key);
      this.#position = log.position(key);
      this.#reclaimed = 0;
    }
    if (length !== this.#lengthSeen) {
      this.#lengthSeen = length;
      this.#lengthSeenAt = monotonicMs();
    }
    const waiting = length > this.#position.offset;
    return {
      length,
      silent: waiting && monotonicMs() - this.#lengthSeenAt >= limits.partialLineMs,
    };
  }

  /** Goes on at a later place, with a line that says so. */
  #leaveOut(offset: number, skipping: boolean): PendingLine[] {
    const { log, stream } = this.#deps;
    const kibibytes = Math.ceil((offset - this.#position.offset) / 1024);
    const text = `${kibibytes} KiB of ${stream} were left out here: written faster than they can be kept`;
    const marker = this.#line('platform', text, { offset, skipping });
    log.append([marker]);
    this.#position = { offset, skipping };
    return [marker];
  }

  /**
   * Without holes, or when the file has grown absurdly long, all that was read is cut off at once.
   * What is written in the very same moment is lost; that is why it is only the second choice.
   */
  #cutIfNeeded(descriptor: number): PendingLine[] {
    const { holes, limits, path, log, key } = this.#deps;
    const length = fstatSync(descriptor).size;
    const mustCut = !holes.available() || length > limits.lengthBytesMax;
    const behind = length - this.#position.offset;
    if (!mustCut || length < limits.reclaimBytes || behind > limits.keepBytes) return [];
    const lost = behind > 0 ? this.#leaveOut(length, true) : [];
    truncateSync(path, 0);
    log.reset(key);
    this.#position = log.position(key);
    this.#reclaimed = 0;
    return lost;
  }

  #line(stream: LogLine['stream'], text: string, position: SourcePosition): PendingLine {
    const { key, instance, version, now } = this.#deps;
    return { at: now(), instance, version, stream, text, source: { key, ...position } };
  }
}

function readAt(descriptor: number, offset: number, byteCount: number): Buffer {
  const buffer = Buffer.allocUnsafe(byteCount);
  return buffer.subarray(0, readSync(descriptor, buffer, 0, byteCount, offset));
}
