/**
 * The journal's file and every statement on it. Synchronous: it lives in the worker thread, where
 * waiting for the disk holds up nobody else.
 *
 * A file that cannot be read is moved aside, not deleted, and a new one begun: what was really
 * deployed is read back from the target, and the control plane issues again what nobody reports.
 */
import { existsSync, mkdirSync, renameSync } from 'node:fs';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { ExecutionId } from '@pilotfish/kernel';
import { Fault } from '@pilotfish/kernel';
import { createWriter } from './apply-change.ts';
import type { EventRow, JournalChange, JournalContents } from './change.ts';
import { readContents, toEventRow } from './read-contents.ts';
import { migrations } from './schema.ts';

export interface JournalDatabase {
  /** What was wrong with the file before this one; null where there was none or it was whole. */
  readonly setAside: { readonly file: string; readonly reason: string } | null;
  /**
   * Applies all groups in one transaction, fsynced when it returns. A group that breaks a
   * constraint is undone alone and answered with its error.
   *
   * @returns one entry per group: null where it is durable
   * @throws where the disk refuses; then nothing of it happened and it can be tried again
   */
  commit(groups: readonly (readonly JournalChange[])[]): (Error | null)[];
  /** Events above `after`, in order, with those gaps that confirmed lines left. */
  readEvents(executionId: ExecutionId, after: number, limit: number): EventRow[];
  load(): JournalContents;
  close(): void;
}

/** @throws Fault `conflict` where another engine has it open or a newer engine wrote it */
export function openJournalDatabase(file: string): JournalDatabase {
  mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
  let setAside: JournalDatabase['setAside'] = null;
  let db: DatabaseSync;
  try {
    db = openChecked(file);
  } catch (error) {
    if (!isDamage(error)) throw error;
    setAside = { file: moveAside(file), reason: error instanceof Error ? error.message : '' };
    db = openChecked(file);
  }
  const apply = createWriter(db);
  const readEvents = db.prepare(
    'select * from events where execution_id = ? and sequence > ? order by sequence limit ?',
  );
  return {
    setAside,
    commit: (groups) => commitGroups(db, apply, groups),
    readEvents: (executionId, after, limit) =>
      readEvents.all(executionId, after, limit).map(toEventRow),
    load: () => readContents(db),
    close: () => db.close(),
  };
}

function commitGroups(
  db: DatabaseSync,
  apply: (change: JournalChange) => void,
  groups: readonly (readonly JournalChange[])[],
): (Error | null)[] {
  db.exec('begin immediate');
  try {
    const results = groups.map((changes) => {
      db.exec('savepoint one');
      try {
        for (const change of changes) apply(change);
        db.exec('release one');
        return null;
      } catch (error) {
        if (isDiskTrouble(error)) throw error;
        db.exec('rollback to one; release one');
        return error instanceof Error ? error : new Error(String(error));
      }
    });
    db.exec('commit');
    return results;
  } catch (error) {
    if (db.isTransaction) db.exec('rollback');
    throw error;
  }
}

function openChecked(file: string): DatabaseSync {
  const db = new DatabaseSync(file, { timeout: 2000 });
  try {
    // Held until the process ends: a second engine on the same folder would execute everything twice.
    db.exec('pragma locking_mode = exclusive');
    db.exec('pragma journal_mode = wal');
    db.exec('pragma synchronous = full');
    const [check] = db.prepare('pragma quick_check(1)').all();
    if (check?.quick_check !== 'ok') throw new DamagedJournal(String(check?.quick_check));
    migrate(db);
    return db;
  } catch (error) {
    db.close();
    if (primaryCode(error) === sqlite.busy) {
      throw new Fault('conflict', `Another engine uses the journal ${file}`, { cause: error });
    }
    throw error;
  }
}

function migrate(db: DatabaseSync): void {
  const version = Number(db.prepare('pragma user_version').get()?.user_version);
  if (version > migrations.length) {
    throw new Fault(
      'conflict',
      `The journal was written by a newer engine (schema ${version}, this engine knows ${migrations.length})`,
    );
  }
  db.exec('begin immediate');
  for (const statements of migrations.slice(version)) db.exec(statements);
  db.exec(`pragma user_version = ${migrations.length}`);
  db.exec('commit');
}

class DamagedJournal extends Error {
  override readonly name = 'DamagedJournal';
}

/** Primary result codes of SQLite (sqlite.org/rescode.html). */
const sqlite = {
  busy: 5,
  ioError: 10,
  corrupt: 11,
  full: 13,
  cannotOpen: 14,
  notADatabase: 26,
} as const;

function primaryCode(error: unknown): number | null {
  const code = (error as { errcode?: unknown } | null)?.errcode;
  return typeof code === 'number' ? code & 0xff : null;
}

function isDamage(error: unknown): boolean {
  const code = primaryCode(error);
  return error instanceof DamagedJournal || code === sqlite.corrupt || code === sqlite.notADatabase;
}

/** True where the same write may succeed later: a full disk, an I/O error. */
export function isDiskTrouble(error: unknown): boolean {
  const code = primaryCode(error);
  return (
    code === sqlite.full ||
    code === sqlite.ioError ||
    code === sqlite.busy ||
    code === sqlite.cannotOpen
  );
}

function moveAside(file: string): string {
  let number = 1;
  while (existsSync(`${file}.damaged-${number}`)) number += 1;
  const aside = `${file}.damaged-${number}`;
  // The write-ahead log belongs to the damaged file; left behind, it would be played into the new one.
  for (const suffix of ['-wal', '-shm']) {
    if (existsSync(file + suffix)) renameSync(file + suffix, aside + suffix);
  }
  renameSync(file, aside);
  return aside;
}
