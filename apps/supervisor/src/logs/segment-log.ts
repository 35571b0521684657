/**
 * The kept lines of one service: NDJSON files named by their first sequence, the newest written to,
 * the oldest dropped when the whole grows too large. Each line also says from which byte of which
 * output file it came. So one append makes both durable against `kill -9`, the line and how far
 * its source was read: after a crash nothing is lost and nothing taken twice. Each file begins with
 * the positions of all sources, because the last line of a quiet one may be in a dropped file.
 *
 * Writes reach the kernel before a line is shown to anybody. They reach the disk within a second
 * (`flush`): after a power cut, the numbers of the last second may be given out again.
 */
import {
  closeSync,
  fdatasync,
  fdatasyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { LogLine } from '@pilotfish/contracts';
import { errnoOf } from '../system-fault.ts';

/** How far one output file was read. */
export interface SourcePosition {
  readonly offset: number;
  /** Inside a line that was cut: what follows up to its newline is left out. */
  readonly skipping: boolean;
}

/** A line without its number, and where it came from; the platform's own lines have no source. */
export interface PendingLine {
  readonly at: string;
  readonly instance: string;
  readonly version: string;
  readonly stream: LogLine['stream'];
  readonly text: string;
  readonly source?: SourcePosition & { readonly key: string };
}

export interface SegmentLogOptions {
  readonly folder: string;
  readonly segmentBytesMax: number;
  readonly bytesMax: number;
}

interface Segment {
  readonly first: number;
  readonly path: string;
  bytes: number;
}

const datasync = promisify(fdatasync);

export class SegmentLog {
  readonly #options: SegmentLogOptions;
  readonly #segments: Segment[] = [];
  readonly #sources = new Map<string, SourcePosition>();
  #next = 1;
  /** Of the newest segment; opened by the first append. */
  #descriptor: number | null = null;
  #dirty = false;
  #flushing: Promise<void> | null = null;

  /** Opens what a former process left; an unfinished last line is cut off. */
  constructor(options: SegmentLogOptions) {
    this.#options = options;
    mkdirSync(options.folder, { recursive: true, mode: 0o700 });
    const names = readdirSync(options.folder).filter((name) => /^\d{12}\.ndjson$/.test(name));
    for (const name of names.sort()) {
      const path = join(options.folder, name);
      this.#segments.push({ first: Number.parseInt(name, 10), path, bytes: statSync(path).size });
    }
    // The newest may have been made a moment before the crash and be empty still.
    for (const segment of this.#segments.slice(-2)) this.#recover(segment);
  }

  /** The oldest sequence still kept; 0 while there never was a line. */
  get oldest(): number {
    return this.#next === 1 ? 0 : (this.#segments[0]?.first ?? this.#next);
  }

  get newest(): number {
    return this.#next - 1;
  }

  get bytes(): number {
    return this.#segments.reduce((sum, segment) => sum + segment.bytes, 0);
  }

  /** Some of it is not on the disk yet. */
  get dirty(): boolean {
    return this.#dirty;
  }

  position(key: string): SourcePosition {
    return this.#sources.get(key) ?? { offset: 0, skipping: false };
  }

  /** A source that ended needs no position any more. */
  forget(key: string): void {
    this.#sources.delete(key);
  }

  /** Notes that a source begins anew at the front, because its file was cut. */
  reset(key: string): void {
    this.#sources.set(key, { offset: 0, skipping: false });
    this.#write(positionsLine([[key, { offset: 0, skipping: false }]]));
  }

  /**
   * Numbers the lines and keeps them, all or none.
   *
   * @throws the system's error (a full disk); then nothing was kept, and the sources stand where
   *   they stood.
   */
  append(lines: readonly PendingLine[]): void {
    const numbered = lines.map((line, index) => ({ sequence: this.#next + index, ...line }));
    this.#write(numbered.map((line) => `${JSON.stringify(line)}\n`).join(''));
    this.#next += lines.length;
    for (const { source } of lines) {
      if (source !== undefined) this.#moveTo(source);
    }
  }

  /** Lines with a higher sequence than `after`, the oldest first, at most `limit`. */
  read(after: number, limit: number): LogLine[] {
    const from = Math.max(after + 1, this.oldest);
    const lines: LogLine[] = [];
    if (from > this.newest) return lines;
    let index = this.#segments.findLastIndex((segment) => segment.first <= from);
    for (; index >= 0 && index < this.#segments.length && lines.length < limit; index += 1) {
      const segment = this.#segments[index];
      if (segment === undefined) break;
      for (const text of linesFrom(readFileSync(segment.path, 'utf8'), from)) {
        if (lines.length === limit) break;
        lines.push(lineOf(text));
      }
    }
    return lines;
  }

  /** Brings what was appended to the disk. */
  async flush(): Promise<void> {
    if (this.#flushing !== null) return this.#flushing;
    if (!this.#dirty || this.#descriptor === null) return;
    this.#dirty = false;
    // A file that was closed meanwhile was brought to the disk before.
    this.#flushing = datasync(this.#descriptor).catch(ignoreClosed);
    try {
      await this.#flushing;
    } finally {
      this.#flushing = null;
    }
  }

  /** Forgets sources of which nothing is left, so that the headers do not grow for ever. */
  retainSources(exists: (key: string) => boolean): void {
    for (const key of this.#sources.keys()) if (!exists(key)) this.#sources.delete(key);
  }

  /** Removes the oldest file; false when only the newest is left, which holds the numbering. */
  dropOldest(): boolean {
    if (this.#segments.length < 2) return false;
    const oldest = this.#segments.shift();
    if (oldest !== undefined) rmSync(oldest.path, { force: true });
    return true;
  }

  close(): void {
    if (this.#descriptor !== null) closeSync(this.#descriptor);
    this.#descriptor = null;
  }

  #moveTo({ key, offset, skipping }: SourcePosition & { readonly key: string }): void {
    this.#sources.set(key, { offset, skipping });
  }

  #write(text: string): void {
    const segment = this.#segmentFor(Buffer.byteLength(text));
    const header = segment.bytes === 0 ? positionsLine([...this.#sources]) : '';
    const bytes = Buffer.from(header + text);
    this.#descriptor ??= openSync(segment.path, 'a', 0o600);
    try {
      for (let written = 0; written < bytes.length; ) {
        written += writeSync(this.#descriptor, bytes, written);
      }
    } catch (error) {
      ftruncateSync(this.#descriptor, segment.bytes);
      throw error;
    }
    segment.bytes += bytes.length;
    this.#dirty = true;
    while (this.bytes > this.#options.bytesMax && this.dropOldest());
  }

  #segmentFor(byteCount: number): Segment {
    const newest = this.#segments.at(-1);
    const full =
      newest !== undefined &&
      newest.bytes > 0 &&
      newest.bytes + byteCount > this.#options.segmentBytesMax;
    // A file without a line yet has the name that a new one would get.
    if (newest !== undefined && (!full || newest.first === this.#next)) return newest;
    const name = `${String(this.#next).padStart(12, '0')}.ndjson`;
    const path = join(this.#options.folder, name);
    const descriptor = openSync(path, 'a', 0o600);
    // What its lines refer to must not be younger on the disk than they are.
    if (this.#descriptor !== null) fdatasyncSync(this.#descriptor);
    this.close();
    this.#descriptor = descriptor;
    const segment = { first: this.#next, path, bytes: 0 };
    this.#segments.push(segment);
    return segment;
  }

  #recover(segment: Segment): void {
    this.#next = segment.first;
    const bytes = readFileSync(segment.path);
    let good = 0;
    for (let end = bytes.indexOf(10); end !== -1; end = bytes.indexOf(10, good)) {
      const entry = parseEntry(bytes.toString('utf8', good, end));
      if (entry === null) break;
      if (entry.positions !== undefined) {
        for (const [key, position] of entry.positions) this.#sources.set(key, position);
      } else {
        this.#next = entry.sequence + 1;
        if (entry.source !== undefined) this.#moveTo(entry.source);
      }
      good = end + 1;
    }
    if (good === bytes.length) return;
    const descriptor = openSync(segment.path, 'r+');
    ftruncateSync(descriptor, good);
    closeSync(descriptor);
    segment.bytes = good;
  }
}

function ignoreClosed(error: unknown): void {
  if (errnoOf(error) !== 'EBADF') throw error;
}

type Positions = readonly (readonly [string, SourcePosition])[];

function positionsLine(positions: Positions): string {
  return `${JSON.stringify({ positions })}\n`;
}

function parseEntry(
  text: string,
): (PendingLine & { sequence: number; positions?: undefined }) | { positions: Positions } | null {
  try {
    return JSON.parse(text);
  } catch {
    // Torn by a crash or a power cut.
    return null;
  }
}

/** Texts of the lines from a sequence on, found without parsing those before. */
function* linesFrom(text: string, from: number): Generator<string> {
  const prefix = '{"sequence":';
  for (let at = 0; at < text.length; ) {
    const end = text.indexOf('\n', at);
    if (end === -1) return;
    if (text.startsWith(prefix, at)) {
      const sequence = Number.parseInt(text.slice(at + prefix.length, at + prefix.length + 16), 10);
      if (sequence >= from) yield text.slice(at, end);
    }
    at = end + 1;
  }
}

function lineOf(text: string): LogLine {
  const { source: _, ...line } = JSON.parse(text);
  return line;
}
