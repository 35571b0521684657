/**
 * The machine's processes as /proc shows them. A process is known by its pid *and* its start time
 * within one boot: pids are used again, the pair is not.
 */
import { readdirSync, readFileSync } from 'node:fs';

export interface ProcessEntry {
  readonly pid: number;
  readonly parentPid: number;
  readonly groupId: number;
  readonly sessionId: number;
  /** One letter as in proc_pid_stat(5): `Z` is a zombie, `X` dead. */
  readonly state: string;
  /** Clock ticks between boot and its start. */
  readonly startTicks: number;
  /** Wait status as in waitpid(2), for a zombie whose parent may be traced; else 0. */
  readonly waitStatus: number;
}

/** What survives in a record about a process: enough to find the same one again, never another. */
export interface ProcessIdentity {
  readonly pid: number;
  readonly startTicks: number;
  readonly bootId: string;
}

/** Random for every boot of the machine. */
export function readBootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
}

/** One process, or null where there is none of that pid. */
export function readProcess(pid: number): ProcessEntry | null {
  try {
    return parseStat(readFileSync(`/proc/${pid}/stat`, 'latin1'));
  } catch {
    // ENOENT and ESRCH: it ended before or while it was read.
    return null;
  }
}

/** Every process of the machine. Read without a break, so that it is as close to one moment as can be. */
export function readProcesses(): ProcessEntry[] {
  const entries: ProcessEntry[] = [];
  for (const name of readdirSync('/proc')) {
    const pid = Number(name);
    if (!Number.isInteger(pid)) continue;
    const entry = readProcess(pid);
    if (entry !== null) entries.push(entry);
  }
  return entries;
}

/**
 * Variables from the environment that a process was started with, by name; absent ones are left
 * out, and all are where it may not be read. A program may have written over that memory since.
 */
export function readEnvironment(pid: number, names: readonly string[]): Record<string, string> {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/environ`, 'utf8');
  } catch {
    return {};
  }
  const found: Record<string, string> = {};
  if (!names.every((name) => text.includes(name))) return found;
  for (const pair of text.split('\0')) {
    const nameEnd = pair.indexOf('=');
    const name = pair.slice(0, nameEnd);
    if (nameEnd > 0 && names.includes(name)) found[name] = pair.slice(nameEnd + 1);
  }
  return found;
}

/** True for a process that still runs something: a zombie only waits to be counted. */
export function isAlive(entry: ProcessEntry): boolean {
  return entry.state !== 'Z' && entry.state !== 'X';
}

/** Exported for its test. The command name may hold anything, spaces and brackets too. */
export function parseStat(text: string): ProcessEntry | null {
  const nameEnd = text.lastIndexOf(')');
  if (nameEnd === -1) return null;
  const pid = Number.parseInt(text, 10);
  // Field 3 of proc_pid_stat(5) is the first one after the name.
  const fields = text.slice(nameEnd + 2).split(' ');
  const numberAt = (field: number) => Number(fields[field - 3] ?? Number.NaN);
  const startTicks = numberAt(22);
  if (!Number.isInteger(pid) || !Number.isInteger(startTicks)) return null;
  return {
    pid,
    parentPid: numberAt(4),
    groupId: numberAt(5),
    sessionId: numberAt(6),
    state: fields[0] ?? '',
    startTicks,
    waitStatus: numberAt(52) || 0,
  };
}
