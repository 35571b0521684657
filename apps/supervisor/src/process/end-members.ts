import { type Clock, Fault } from '@pilotfish/kernel';
import type { Membership, ProcessHost } from './process-host.ts';

/** How long it is tried to kill; longer than that only sleeps in the kernel last (a dead NFS). */
const killMsMax = 10_000;
const pollMs = 25;

/**
 * Ends every process of an instance: SIGTERM once, SIGKILL again and again from `killAtMs` on, and
 * returns when none is left. What a dying process still starts is found in the next round.
 *
 * @param killAtMs on the monotonic clock, read in every round as it may be moved forward; a time
 *   that has passed means no SIGTERM at all
 * @throws Fault `unavailable` when something cannot be killed
 */
export async function endMembers(
  deps: { readonly clock: Clock; readonly host: Pick<ProcessHost, 'members' | 'signal'> },
  membership: Membership,
  killAtMs: () => number,
): Promise<void> {
  const { clock, host } = deps;
  if (clock.monotonicMs() < killAtMs()) host.signal(membership, 'SIGTERM');
  let killingSince: number | null = null;
  // Twice none: a process between fork and its entry in /proc can be missed by one reading.
  for (let empty = 0; empty < 2; ) {
    const now = clock.monotonicMs();
    if (now >= killAtMs()) killingSince ??= now;
    const killing = killingSince !== null;
    const count = killing ? host.signal(membership, 'SIGKILL') : host.members(membership).length;
    empty = count === 0 ? empty + 1 : 0;
    if (count > 0 && killingSince !== null && now - killingSince > killMsMax) {
      throw new Fault('unavailable', `${count} processes of ${membership.instanceId} do not end.`);
    }
    await clock.sleep(pollMs);
  }
}
