/**
 * Which processes of this machine belong to a build, read from /proc. Reading is synchronous, as /proc never waits for a disk.
 */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

export interface BuildTraces {
  /** `NAME=value` in the environment that every process of the build inherits. */
  readonly marker?: string;
  /** Below it they work; also finds processes that emptied their environment. */
  readonly folder: string;
}

/** Living processes that carry the marker or work in the folder; never this process itself. */
export function findProcesses(traces: BuildTraces): number[] {
  return others().filter(
    (pid) =>
      (traces.marker !== undefined && isMarked(pid, traces.marker)) || worksIn(pid, traces.folder),
  );
}

/** The process namespaces in which they live, without our own. */
export function namespacesOf(pids: readonly number[]): Set<string> {
  const namespaces = new Set(pids.map(namespaceOf));
  namespaces.delete(namespaceOf('self'));
  namespaces.delete('');
  return namespaces;
}

/** True while a process lives in one of the namespaces. */
export function isAnyIn(namespaces: ReadonlySet<string>): boolean {
  return namespaces.size > 0 && others().some((pid) => namespaces.has(namespaceOf(pid)));
}

function others(): number[] {
  const pids = readdirSync('/proc').map(Number);
  return pids.filter((pid) => Number.isInteger(pid) && pid !== process.pid);
}

function namespaceOf(pid: number | 'self'): string {
  try {
    return readlinkSync(`/proc/${pid}/ns/pid`);
  } catch {
    return ''; // Gone, or another user's.
  }
}

function isMarked(pid: number, marker: string): boolean {
  try {
    const environment = readFileSync(`/proc/${pid}/environ`, 'latin1');
    return `\0${environment}`.includes(`\0${marker}\0`);
  } catch {
    return false; // Gone, or another user's.
  }
}

function worksIn(pid: number, folder: string): boolean {
  try {
    const cwd = readlinkSync(`/proc/${pid}/cwd`);
    return cwd === folder || cwd.startsWith(`${folder}/`);
  } catch {
    return false;
  }
}
