/**
 * Which processes belong to an instance. Under isolation T0 nothing in the kernel holds them
 * together for good, so three marks are united: the session and group of the first process, the
 * mark in the environment that children inherit (finds what double-forked with setsid), and being
 * a child of any of those (finds what was started with an empty environment).
 */
import { isAlive, type ProcessEntry, type ProcessIdentity } from './process-table.ts';

export interface MemberQuery {
  /** The first process, or null while none is known. */
  readonly leader: ProcessIdentity | null;
  /** True for a process whose environment carries the mark of the instance. */
  isMarked(entry: ProcessEntry): boolean;
  /** Never members, whatever the marks say: the supervisor itself. */
  readonly exceptPids: readonly number[];
}

/** Living members among the given processes, zombies left out: nothing can be done to those. */
export function membersOf(table: readonly ProcessEntry[], query: MemberQuery): ProcessEntry[] {
  const alive = table.filter(
    (entry) => isAlive(entry) && entry.pid > 1 && !query.exceptPids.includes(entry.pid),
  );
  const members = new Map<number, ProcessEntry>();
  const leader = sessionToTrust(table, query.leader);
  for (const entry of alive) {
    const inSession = leader !== null && (entry.sessionId === leader || entry.groupId === leader);
    if (inSession || query.isMarked(entry)) members.set(entry.pid, entry);
  }
  // Children of members, until no more are found.
  for (let found = members.size > 0; found; ) {
    found = false;
    for (const entry of alive) {
      if (!members.has(entry.pid) && members.has(entry.parentPid)) {
        members.set(entry.pid, entry);
        found = true;
      }
    }
  }
  return [...members.values()];
}

/**
 * The session's number, unless its pid now names another process. The kernel gives a number out
 * again only when no session or group carries it any more, so then no member can be left by it.
 */
function sessionToTrust(
  table: readonly ProcessEntry[],
  leader: ProcessIdentity | null,
): number | null {
  if (leader === null) return null;
  const holder = table.find((entry) => entry.pid === leader.pid);
  if (holder !== undefined && holder.startTicks !== leader.startTicks) return null;
  return leader.pid;
}
