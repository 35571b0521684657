import { randomUUID } from 'node:crypto';
import { open, readFile, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Fault } from '@pilotfish/kernel';
import type { z } from 'zod';

/**
 * Replaces a file as a whole: a reader sees the old or the new content, also after a power
 * failure. The file is readable by its owner alone, unless `mode` says otherwise.
 */
export async function writeDurably(path: string, content: string, mode = 0o600): Promise<void> {
  const temporary = `${path}.${randomUUID().slice(0, 8)}.tmp`;
  try {
    const file = await open(temporary, 'wx', mode);
    try {
      await file.writeFile(content);
      await file.datasync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (thrown) {
    await rm(temporary, { force: true });
    throw thrown;
  }
  await syncDirectory(dirname(path));
}

/** Makes renames and new entries of a directory survive a power failure. */
export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

/**
 * The parsed content, or undefined where there is no file. Throws a Fault `internal` for a file
 * that does not hold what it should: guessing would lead to deleting what is still in use.
 */
export async function readJsonFile<T>(path: string, schema: z.ZodType<T>): Promise<T | undefined> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw thrown;
  }
  try {
    return schema.parse(JSON.parse(text));
  } catch (cause) {
    throw new Fault('internal', 'A file of the deployment target is damaged.', {
      internal: `${path} does not hold what it should`,
      cause,
    });
  }
}
