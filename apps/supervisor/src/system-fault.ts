import { Fault, toFault } from '@pilotfish/kernel';

/** Sentences for what a machine can run out of; the operator must be able to act on each. */
const sentences: Readonly<Record<string, string>> = {
  ENOSPC: 'The disk is full',
  EDQUOT: 'The disk quota is used up',
  EROFS: 'The file system is read-only',
  EMFILE: 'This process may not open more files (ulimit -n)',
  ENFILE: 'The machine cannot open more files',
  EAGAIN: 'The machine may not start more processes (ulimit -u)',
  ENOMEM: 'The machine has no free memory',
  E2BIG: 'The arguments and variables together are too large',
};

/** The errno name of an error of the system; empty for any other value. */
export function errnoOf(error: unknown): string {
  if (!(error instanceof Error) || !('code' in error)) return '';
  return typeof error.code === 'string' ? error.code : '';
}

/** True where the machine ran out of something: the same operation may succeed later. */
export function isExhaustion(error: unknown): boolean {
  return errnoOf(error) in sentences;
}

/**
 * Any thrown value as a Fault, with what the machine ran out of as the client's sentence.
 *
 * @param doing what was tried, e.g. `writing the record of an instance`
 */
export function systemFault(error: unknown, doing: string): Fault {
  if (error instanceof Fault) return error;
  const sentence = sentences[errnoOf(error)];
  if (sentence === undefined) return toFault(error);
  const internal = error instanceof Error ? error.message : String(error);
  return new Fault('unavailable', `${sentence}: ${doing} failed.`, { internal, cause: error });
}
