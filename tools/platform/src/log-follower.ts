/**
 * Shows what the services write. They write to files and not to a pipe of ours, because a pipe
 * would end with the runner and take them along at their next line; so the files are followed.
 */
import {
  closeSync,
  copyFileSync,
  existsSync,
  openSync,
  readSync,
  statSync,
  truncateSync,
  watch,
} from 'node:fs';
import { basename, join } from 'node:path';
import { StringDecoder } from 'node:string_decoder';

/** A file that grew beyond this starts again from empty; one older part is kept beside it. */
const fileBytesMax = 16 * 1024 * 1024;
const chunkBytes = 64 * 1024;
const lineCharsMax = 64 * 1024;

interface FollowedFile {
  readonly path: string;
  readonly onLine: (line: string) => void;
  readonly decoder: StringDecoder;
  offset: number;
  unfinished: string;
}

export interface LogFollower {
  /** From here on every new line of `FOLDER/NAME.log` is handed to `onLine`. */
  follow(name: string, onLine: (line: string) => void): void;
  /** Reads what is new in every file at once; called before the last words. */
  catchUp(): void;
  close(): void;
}

function sizeOf(path: string): number {
  return existsSync(path) ? statSync(path).size : 0;
}

function readNew(file: FollowedFile, buffer: Buffer): void {
  const size = sizeOf(file.path);
  if (size < file.offset) file.offset = 0;
  if (size === file.offset) return;
  const descriptor = openSync(file.path, 'r');
  try {
    for (;;) {
      const length = readSync(descriptor, buffer, 0, buffer.length, file.offset);
      if (length === 0) break;
      file.offset += length;
      const text = file.unfinished + file.decoder.write(buffer.subarray(0, length));
      const lines = text.split('\n');
      file.unfinished = (lines.pop() ?? '').slice(-lineCharsMax);
      for (const line of lines) file.onLine(line);
    }
  } finally {
    closeSync(descriptor);
  }
  if (file.offset <= fileBytesMax) return;
  // Writers append, so they go on at the new end of the same file.
  copyFileSync(file.path, `${file.path}.1`);
  truncateSync(file.path, 0);
  file.offset = 0;
}

/** Follows files in one folder by its change notices. */
export function createLogFollower(folder: string): LogFollower {
  const files = new Map<string, FollowedFile>();
  const buffer = Buffer.alloc(chunkBytes);
  const watcher = watch(folder, (_, name) => {
    const file = name === null ? undefined : files.get(name);
    if (file !== undefined) readNew(file, buffer);
  });
  return {
    follow(name, onLine) {
      const path = join(folder, `${name}.log`);
      const decoder = new StringDecoder('utf8');
      files.set(basename(path), { path, onLine, decoder, offset: sizeOf(path), unfinished: '' });
    },
    catchUp() {
      for (const file of files.values()) readNew(file, buffer);
    },
    close: () => watcher.close(),
  };
}
