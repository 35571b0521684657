/**
 * The dispatcher: what was delivered becomes deployment requests.
 *
 * Claim what is due for a few seconds, a share of each organization → end what starts nothing →
 * read the bodies of the rest, each once → pushes to what services follow stand in a line per
 * branch → per line one question to Git, then one transaction: lock, match, enqueue, write the
 * outcomes. Killed anywhere before that commit, the claim runs out and the next dispatcher starts
 * over; after it, the deliveries are not pending any more. What cannot be handled now is tried again
 * with growing delays, and set aside with its reason after `attemptsMax`.
 */
import type { Bus } from '@pilotfish/bus';
import { messages } from '@pilotfish/contracts';
import { toFault } from '@pilotfish/kernel';
import type { DueDelivery } from '@pilotfish/store';
import { answerGroup, type FollowedPush, release } from '../dispatch/answer-group.ts';
import { createBranchLines } from '../dispatch/branch-lines.ts';
import { createClaimer, type FollowedRepositories } from '../dispatch/claim-due.ts';
import { createClaimPace } from '../dispatch/claim-pace.ts';
import type { DispatchDeps } from '../dispatch/deps.ts';
import { createDispatchMetrics } from '../dispatch/metrics.ts';
import { createBodyReader, lineOf } from '../dispatch/read-bodies.ts';
import { createSourceAccess } from '../executions/source-access.ts';
import type { Loop } from './loop.ts';
import type { Role } from './role.ts';
import { createRungLoop } from './rung-loop.ts';

export interface DispatcherDeps extends DispatchDeps {
  readonly bus: Pick<Bus, 'ring' | 'request' | 'subscribe' | 'state' | 'onConnected'>;
}

/** Claims side by side: one is read while the other one's statements are under way. */
const lanes = 2;
/** Questions to Git side by side; each is a process, and mostly waiting. */
const questions = 12;
const questionsPerOrganization = 4;
/** Deliveries in hand of one organization; what is left stays in the database. */
const inHandMax = 2000;

export const dispatcherRole: Role = async (deps) => {
  const { config, store, bus, clock, logger, keys, git } = deps;
  return startDispatcher({
    store,
    bus,
    clock,
    logger,
    git,
    metrics: createDispatchMetrics(deps.metrics, deps),
    sourceAccess: createSourceAccess({
      clock,
      keys,
      gitServerUrl: config.GIT_SERVER_PUBLIC_URL,
    }),
  });
};

export function startDispatcher(deps: DispatcherDeps): Loop {
  const dispatcher = createDispatcher(deps, () => loop.ring());
  const loop = createRungLoop(deps, {
    name: 'dispatcher',
    listen: (ring) => deps.bus.subscribe(messages.deliveryReceived, {}, ring),
    lanes,
    step: dispatcher.step,
  });
  return {
    ring: loop.ring,
    async close() {
      await loop.close();
      await dispatcher.close();
    },
  };
}

/** The work of the role, without its loop. */
export interface Dispatcher {
  /** Claims and reads; false where nothing was due. What it found goes on by itself. */
  readonly step: (signal: AbortSignal) => Promise<boolean>;
  /** Resolves when nothing is in hand any more. */
  settled(): Promise<void>;
  /** Ends questions under way and gives back what is in hand. */
  close(): Promise<void>;
}

/** @param onRoom what was left in the database, because too much was in hand, may be claimed now */
export function createDispatcher(deps: DispatchDeps, onRoom: () => void): Dispatcher {
  const closing = new AbortController();
  const claimer = createClaimer(deps);
  const pace = createClaimPace(deps.clock);
  const reader = createBodyReader(deps);
  let suspectInHand = false;
  const answer = async (group: readonly FollowedPush[]) => {
    try {
      await answerGroup(deps, group, closing.signal);
    } catch (thrown) {
      // Without a database not even a failure can be written: their claims run out.
      deps.logger.error({ err: toFault(thrown) }, 'deliveries wait for their claims to run out');
    }
  };
  const lines = createBranchLines<FollowedPush>({
    slots: questions,
    slotsPerOrganization: questionsPerOrganization,
    perOrganizationMax: inHandMax,
    answer,
    onRoom,
  });

  function queue(pushes: readonly FollowedPush[]): void {
    for (const [line, group] of Map.groupBy(pushes, lineOf)) lines.add(line, group);
  }

  async function handleSuspect(
    due: DueDelivery,
    repositories: FollowedRepositories,
  ): Promise<void> {
    suspectInHand = true;
    try {
      const found: FollowedPush[] = [];
      await reader.read([due], repositories, (pushes) => void found.push(...pushes));
      if (found.length > 0) await answer(found);
    } finally {
      suspectInHand = false;
    }
  }

  return {
    async step(signal) {
      await pace.turn(signal);
      if (signal.aborted) return false;
      const options = { takesSuspect: !suspectInHand, except: lines.full() };
      const { leased, suspect, followed, hadWork, isFull } = await claimer.claim(options);
      if (isFull) pace.hurry();
      await reader.read(leased, followed, queue);
      if (suspect !== null) await handleSuspect(suspect, followed);
      return hadWork;
    },
    settled: lines.settled,
    async close() {
      closing.abort(new Error('the dispatcher is being closed'));
      await release(
        deps,
        lines.close().map(({ push }) => push.due),
      );
      await lines.settled();
    },
  };
}
