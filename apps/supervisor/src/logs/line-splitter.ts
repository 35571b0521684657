import { limits } from '@pilotfish/kernel';

/** One line found in an output file. */
export interface FoundLine {
  readonly text: string;
  /** Where the next line begins, counted from the start of what was split. */
  readonly end: number;
  /** The line was longer than allowed: what follows up to its newline is to be left out. */
  readonly cut: boolean;
}

export interface SplitResult {
  readonly lines: FoundLine[];
  /** How much is dealt with, the front of a line that is being left out included. */
  readonly consumed: number;
  /** Still inside a line that is being left out. */
  readonly skipping: boolean;
}

const newline = 0x0a;

/**
 * Finds the whole lines at the front of a piece of output.
 *
 * @param skipping the piece begins inside a line that was cut: all up to its newline is left out
 * @param takePartial also take an unfinished last line: its writer has ended or fallen silent
 */
export function splitLines(bytes: Buffer, skipping: boolean, takePartial: boolean): SplitResult {
  const lines: FoundLine[] = [];
  let at = 0;
  let skip = skipping;
  while (at < bytes.length) {
    const found = bytes.indexOf(newline, at);
    const end = found === -1 ? bytes.length : found;
    if (skip) {
      if (found === -1) return { lines, consumed: bytes.length, skipping: true };
      at = found + 1;
      skip = false;
      continue;
    }
    if (end - at > limits.logLineBytesMax) {
      const cutAt = at + limits.logLineBytesMax;
      lines.push({ text: `${textOf(bytes, at, cutAt)} … [cut]`, end: cutAt, cut: true });
      at = cutAt;
      skip = true;
      continue;
    }
    if (found === -1 && !takePartial) break;
    const text = textOf(bytes, at, end);
    at = found === -1 ? end : found + 1;
    lines.push({ text, end: at, cut: false });
  }
  return { lines, consumed: at, skipping: skip };
}

/** Without a carriage return at the end, and without the zeros of a hole at the front. */
function textOf(bytes: Buffer, start: number, end: number): string {
  let from = start;
  while (from < end && bytes[from] === 0) from += 1;
  const to = end > from && bytes[end - 1] === 0x0d ? end - 1 : end;
  return bytes.toString('utf8', from, to);
}
