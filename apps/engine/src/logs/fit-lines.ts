import type { LogLine } from '@pilotfish/contracts';

/** A message holds 256 KiB; the rest is for what is around the lines. */
const linesBytesMax = 192 * 1024;

/**
 * As many of the lines as one message holds, at least one: the first ones, or from `newest` on
 * backwards. Counted as they travel, because in JSON one byte of an application may become six.
 */
export function fitLines(
  lines: readonly LogLine[],
  from: 'oldest' | 'newest',
  bytesMax = linesBytesMax,
): LogLine[] {
  const ordered = from === 'oldest' ? lines : lines.toReversed();
  let bytes = 0;
  const end = ordered.findIndex((line, index) => {
    bytes += Buffer.byteLength(JSON.stringify(line)) + 1;
    return index > 0 && bytes > bytesMax;
  });
  const fitting = end === -1 ? [...ordered] : ordered.slice(0, end);
  return from === 'oldest' ? fitting : fitting.reverse();
}
