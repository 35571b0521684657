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
  const found: number[] = [];
  for (const name of readdirSync('/proc')) {
    const pid = Number(name);
    if (!Number.isInteger(pid) || pid === process.pid) continue;
    const marked = traces.marker !== undefined && isMarked(pid, traces.marker);
    if (marked || worksIn(pid, traces.folder)) found.push(pid);
  }
  return found;
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
