/**
 * One claim: what is due is locked, what starts nothing whatever its body says is ended at once, and
 * the rest is leased. All of it is one transaction that nobody waits for on disk: if it is lost, it
 * is done again.
 */
import type { OrganizationId } from '@pilotfish/kernel';
import {
  commitWithoutWaiting,
  type DeliveryEnd,
  type DueDelivery,
  finishDeliveries,
  leaseDeliveries,
  listFollowedRepositories,
  lockDueDeliveries,
} from '@pilotfish/store';
import { times } from './answer-group.ts';
import { attemptsMax, type DispatchDeps, leaseSeconds } from './deps.ts';
import type { DispatchOutcome } from './metrics.ts';
import { ignoredUnread } from './read-claimed.ts';

/** Deliveries of one claim, where several organizations have some due. */
const claimMax = 400;
const organizationsMax = 64;
const shareMin = 8;

export interface Claim {
  /** Leased, to be read. */
  readonly leased: readonly DueDelivery[];
  /**
   * One that was leased more than once and never heard of again, so that it may be what ended those
   * who had it. To be handled by itself, with nobody beside it.
   */
  readonly suspect: DueDelivery | null;
  /** Repositories that the organizations follow: see `mayConcern`. */
  readonly followed: FollowedRepositories;
  /** False where nothing was due. */
  readonly hadWork: boolean;
  /** True where more was due than one claim takes, of all organizations or of one. */
  readonly isFull: boolean;
}

export interface Claimer {
  /**
   * @param takesSuspect false while another suspect is in hand
   * @param except organizations that have enough in hand
   */
  claim(options: {
    readonly takesSuspect: boolean;
    readonly except: readonly OrganizationId[];
  }): Promise<Claim>;
}

export type FollowedRepositories = ReadonlyMap<OrganizationId, readonly string[] | null>;

type Ended = DeliveryEnd & { readonly due: DueDelivery; readonly kind: DispatchOutcome };

/** Remembers where it is on its round through the organizations. */
export function createClaimer(deps: Pick<DispatchDeps, 'store' | 'clock' | 'metrics'>): Claimer {
  let after: OrganizationId | null = null;
  let organizations = 1;
  return {
    async claim({ takesSuspect, except }) {
      const begin: OrganizationId | null = after;
      const now = deps.clock.now();
      const shareMax = Math.max(shareMin, Math.ceil(claimMax / organizations));
      const { due, ended, suspect, leased, building } = await deps.store.system(
        'worker',
        async (tx) => {
          await commitWithoutWaiting(tx);
          const options = { after: begin, organizationsMax, shareMax, except };
          const found = await lockDueDeliveries(tx, now, options);
          const pushing = new Set(found.deliveries.map(({ organizationId }) => organizationId));
          const building = await listFollowedRepositories(tx, [...pushing]);
          const sorted = sort(found.deliveries, building, takesSuspect);
          await finishDeliveries(tx, now, sorted.ended);
          const taken =
            sorted.suspect === null ? sorted.leased : [...sorted.leased, sorted.suspect];
          await leaseDeliveries(
            tx,
            taken.map(({ id }) => id),
            now.add({ seconds: leaseSeconds }),
          );
          return { due: found, building, ...sorted };
        },
      );
      after = due.last;
      organizations = Math.max(1, due.organizations);
      for (const one of ended) if (one.due.isPending) deps.metrics.count(one.due, one.kind);
      const taken = ended.length + leased.length + (suspect === null ? 0 : 1);
      // One that began in the middle has not seen the organizations before.
      const hadWork = taken > 0 || begin !== null;
      const isFull = due.last !== null || hasFullShare(due.deliveries, shareMax);
      return { leased, suspect, followed: building, hadWork, isFull };
    },
  };
}

function hasFullShare(due: readonly DueDelivery[], shareMax: number): boolean {
  const taken = Map.groupBy(due, ({ organizationId }) => organizationId);
  return [...taken.values()].some(({ length }) => length >= shareMax);
}

function sort(
  due: readonly DueDelivery[],
  building: FollowedRepositories,
  takesSuspect: boolean,
): { ended: Ended[]; leased: DueDelivery[]; suspect: DueDelivery | null } {
  const ended: Ended[] = [];
  const leased: DueDelivery[] = [];
  let suspect: DueDelivery | null = null;
  for (const one of due) {
    const { id, attempts, isUnanswered, isPending } = one;
    const ignored = isPending ? ignoredUnread(one, building) : '';
    if (ignored !== null) {
      ended.push({ id, state: 'HANDLED', outcome: ignored, due: one, kind: 'ignored' });
    } else if (isUnanswered && attempts >= attemptsMax) {
      const outcome = `Set aside after it was tried ${times(attempts)}: whoever had it in hand ended before it was handled.`;
      ended.push({ id, state: 'SET_ASIDE', outcome, due: one, kind: 'set_aside' });
    } else if (!isUnanswered || attempts < 2) leased.push(one);
    else if (takesSuspect) suspect ??= one;
  }
  return { ended, leased, suspect };
}
