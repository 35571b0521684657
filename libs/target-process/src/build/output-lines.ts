import { StringDecoder } from 'node:string_decoder';
import { stripVTControlCharacters } from 'node:util';

export interface OutputLimits {
  readonly lineBytesMax: number;
  readonly totalBytesMax: number;
}

export interface OutputLines {
  write(chunk: Buffer): void;
  /** Gives out a last line without an end. */
  end(): void;
}

export interface OutputCounter {
  /** Lines and bytes beyond the limits, which nobody saw. */
  readonly dropped: { lines: number; bytes: number };
  /** The newest lines, also of what was dropped: the end says why a command failed. */
  readonly tail: readonly string[];
  /** What was given out so far, as counted against the total. */
  usedBytes(): number;
  /** One splitter per stream, all under the same total. */
  stream(): OutputLines;
}

const tailLines = 200;
/** What a line costs beside its text: without it, empty lines would be without limit. */
const lineOverheadBytes = 64;

/**
 * Cuts output into lines within limits: a build that prints without end costs neither memory nor
 * the event stream. Progress bars that overwrite themselves give their last state only.
 */
export function createOutputCounter(
  limits: OutputLimits,
  onLine: (text: string) => void,
): OutputCounter {
  const dropped = { lines: 0, bytes: 0 };
  const tail: string[] = [];
  let total = 0;
  const emit = (raw: string, cutBytes: number) => {
    const overwritten = raw.replace(/\r+$/, '');
    const visible = stripVTControlCharacters(overwritten.slice(overwritten.lastIndexOf('\r') + 1));
    const text = cutBytes === 0 ? visible : `${visible}… (${cutBytes} more bytes)`;
    tail.push(text);
    if (tail.length > tailLines) tail.shift();
    const bytes = Buffer.byteLength(text);
    if (total + bytes + lineOverheadBytes > limits.totalBytesMax) {
      // From here on everything is dropped, so that the text has one end and not gaps.
      total = limits.totalBytesMax;
      dropped.lines += 1;
      dropped.bytes += bytes;
      return;
    }
    total += bytes + lineOverheadBytes;
    onLine(text);
  };
  return {
    dropped,
    tail,
    usedBytes: () => total,
    stream: () => createStream(limits.lineBytesMax, emit),
  };
}

function createStream(
  lineBytesMax: number,
  emit: (text: string, cutBytes: number) => void,
): OutputLines {
  const decoder = new StringDecoder('utf8');
  let partial = '';
  let cut = 0;
  const append = (text: string) => {
    const room = Math.max(0, lineBytesMax - partial.length);
    partial += text.slice(0, room);
    cut += Math.max(0, text.length - room);
  };
  const flush = () => {
    emit(partial, cut);
    partial = '';
    cut = 0;
  };
  return {
    write(chunk) {
      const pieces = decoder.write(chunk).split('\n');
      pieces.forEach((piece, index) => {
        append(piece);
        if (index < pieces.length - 1) flush();
      });
    },
    end() {
      append(decoder.end());
      if (partial !== '' || cut > 0) flush();
    },
  };
}
