import { readFileSync } from 'node:fs';

/**
 * A process beyond doubt. A pid alone is used again by the system after a while; together with the
 * tick of its start and the boot it belongs to, it names one process for ever.
 */
export type ProcessIdentity = {
  readonly pid: number;
  /** Clock ticks since boot, field 22 of /proc/PID/stat. */
  readonly startTicks: number;
  readonly bootId: string;
};

/** It cannot change while we run, and is asked for several times a second. */
let bootId: string | undefined;

/** Names this boot of the machine: pids and ticks of another one mean nothing. */
export function readBootId(): string {
  bootId ??= readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  return bootId;
}

/** Returns undefined when there is no such process, or only its zombie waiting for a parent. */
export function identifyProcess(pid: number): ProcessIdentity | undefined {
  const found = readProcess(pid);
  return found === undefined || found.ended ? undefined : found.identity;
}

/**
 * A child that was spawned in this very turn of the event loop: it is known even where it has ended
 * already, because nobody can have reaped it yet. Undefined where it was never made.
 */
export function identifyNewChild(pid: number | undefined): ProcessIdentity | undefined {
  return pid === undefined ? undefined : readProcess(pid)?.identity;
}

function readProcess(pid: number): { identity: ProcessIdentity; ended: boolean } | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The second field is the name in parentheses and may itself hold spaces and parentheses.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const identity = { pid, startTicks: Number(fields[19]), bootId: readBootId() };
    return { identity, ended: fields[0] === 'Z' || fields[0] === 'X' };
  } catch {
    return undefined;
  }
}

/** True while exactly this process lives. */
export function isAlive(identity: ProcessIdentity): boolean {
  const found = identifyProcess(identity.pid);
  return found?.startTicks === identity.startTicks && found.bootId === identity.bootId;
}
