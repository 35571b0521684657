import { statfsSync } from 'node:fs';
import { Fault } from '@pilotfish/kernel';

const mebibyte = 1024 * 1024;
/** A new database, JetStream's store and the sample's build take some 150 MiB; twice that is room. */
const newHomeMebibytesMin = 300;
/** PostgreSQL stops when it cannot write a new 16 MiB segment of its log. */
const homeMebibytesMin = 64;

/** @throws Fault `unavailable` with one sentence where the disk is (almost) full */
export function assertRoom(folder: string, isNew: boolean): void {
  const { bavail, bsize } = statfsSync(folder);
  const free = Math.floor((bavail * bsize) / mebibyte);
  const needed = isNew ? newHomeMebibytesMin : homeMebibytesMin;
  if (free >= needed) return;
  throw new Fault(
    'unavailable',
    `The disk of ${folder} is full: ${free} MiB are free, ${needed} MiB are needed; make room or set PILOTFISH_HOME.`,
  );
}

/** What the system says about a home that cannot be used, as one sentence; undefined otherwise. */
export function explainSystemError(error: unknown, folder: string): Fault | undefined {
  const { code = '', path = folder } = (error ?? {}) as NodeJS.ErrnoException;
  const why = reasons[code];
  if (why === undefined) return undefined;
  const detail = `${path} cannot be written: ${why}; set PILOTFISH_HOME to a folder of yours.`;
  return new Fault('unavailable', detail, { cause: error });
}

const reasons: Readonly<Record<string, string>> = {
  EACCES: 'permission is denied',
  EPERM: 'permission is denied',
  EROFS: 'the file system is read-only',
  ENOTDIR: 'a part of the path is a file',
  EEXIST: 'it is a file',
  ENOENT: 'the path does not exist and cannot be made',
  ENAMETOOLONG: 'the path is too long',
  ENOSPC: 'the disk is full',
  EDQUOT: 'the disk quota is used up',
};
