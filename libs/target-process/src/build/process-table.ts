/**
 * Processes of this machine read from /proc: which one is meant beyond doubt, and which belong to a
 * build. Reading is synchronous, as /proc never waits for a disk.
 */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** A pid is used again after a while; with the tick of its start and the boot it names one process. */
export type ProcessIdentity = {
  readonly pid: number;
  /** Clock ticks since boot, field 22 of /proc/PID/stat. */
  readonly startTicks: number;
  readonly bootId: string;
};

export function readBootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
}

/** Undefined where there is no such process, or only its zombie. */
export function identify(pid: number): ProcessIdentity | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name in parentheses may itself hold spaces and parentheses.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (fields[0] === 'Z' || fields[0] === 'X') return undefined;
    return { pid, startTicks: Number(fields[19]), bootId: readBootId() };
  } catch {
    return undefined;
  }
}

export function isAlive(identity: ProcessIdentity): boolean {
  const found = identify(identity.pid);
  return found?.startTicks === identity.startTicks && found.bootId === identity.bootId;
}

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
