import { DatabaseSync } from 'node:sqlite';

/** Held until `release` or until the process ends, however it ends. */
export interface FileLock {
  release(): void;
}

/**
 * Takes an exclusive lock on the file, or returns undefined when somebody else holds it.
 *
 * The lock is SQLite's own (an fcntl lock), because Node has no flock: the kernel drops it with its
 * process, so there are no stale locks to take over and no race in doing so, as there would be with
 * a pid written to a file.
 */
export function tryFileLock(path: string): FileLock | undefined {
  const database = new DatabaseSync(path, { timeout: 0 });
  try {
    // Without a journal in memory a lock would create and sync a journal file beside it.
    database.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
  } catch (error) {
    database.close();
    if ((error as { errcode?: number }).errcode === 5) return undefined;
    throw error;
  }
  return { release: () => database.close() };
}
