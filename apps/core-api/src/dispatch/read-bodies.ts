/**
 * From leased deliveries to pushes that some service follows. Each body is fetched and parsed once;
 * what turns out to start nothing is ended by one statement per slice.
 */
import { toFault } from '@pilotfish/kernel';
import {
  commitWithoutWaiting,
  type DeliveryEnd,
  type DueDelivery,
  extendLeases,
  finishDeliveries,
  listFollowedBranches,
  readDeliveryBodies,
} from '@pilotfish/store';
import { type FollowedPush, fail, release } from './answer-group.ts';
import type { FollowedRepositories } from './claim-due.ts';
import { type DispatchDeps, leaseSeconds } from './deps.ts';
import { mayConcern } from './may-concern.ts';
import type { DispatchOutcome } from './metrics.ts';
import {
  describeUnwatched,
  namedBranches,
  nameOfBranch,
  namesNobody,
  type PushDelivery,
  readClaimed,
} from './read-claimed.ts';

/** Read together; larger bodies one by one, and one of them at a time in this process. */
const smallBytesMax = 64 * 1024;
const sliceMax = 100;
/** Larger ones of one claim; the rest waits behind everything else that its organization has due. */
const largePerClaim = 4;

/** What an integer of the database holds. */
const largestBytes = 2 ** 31 - 1;

export interface BodyReader {
  /** @param onFollowed told as soon as some are found, while others are still being read */
  read(
    leased: readonly DueDelivery[],
    repositories: FollowedRepositories,
    onFollowed: (pushes: readonly FollowedPush[]) => void,
  ): Promise<void>;
}

export function createBodyReader(deps: DispatchDeps): BodyReader {
  const oneAtATime = createTurns();
  return {
    async read(leased, repositories, onFollowed) {
      const small = { bytesMax: smallBytesMax, repositories };
      const large: DueDelivery[] = [];
      for (let from = 0; from < leased.length; from += sliceMax) {
        const found = await readOrHalve(deps, leased.slice(from, from + sliceMax), small);
        large.push(...found.large);
        onFollowed(found.followed);
      }
      if (large.length === 0) return;
      await release(deps, large.slice(largePerClaim));
      await oneAtATime(async () => {
        for (const due of large.slice(0, largePerClaim)) {
          onFollowed(await readLarge(deps, due, repositories));
        }
      });
    },
  };
}

/** Parsing takes the whole process: afterwards it is somebody else's for as long. */
async function readLarge(
  deps: DispatchDeps,
  due: DueDelivery,
  repositories: FollowedRepositories,
): Promise<readonly FollowedPush[]> {
  const { store, clock } = deps;
  await store.system('worker', async (tx) => {
    await commitWithoutWaiting(tx);
    await extendLeases(tx, [due.id], clock.now().add({ seconds: leaseSeconds }));
  });
  const beganMs = clock.monotonicMs();
  const { followed } = await readOrHalve(deps, [due], { bytesMax: largestBytes, repositories });
  await clock.sleep(clock.monotonicMs() - beganMs);
  return followed;
}

/**
 * Where a slice cannot be read for a reason that lies in what was delivered, each half is read by
 * itself, so that one that never can be read is alone in the end.
 */
async function readOrHalve(
  deps: DispatchDeps,
  slice: readonly DueDelivery[],
  options: ReadOptions,
): Promise<SliceReading> {
  try {
    return await readSlice(deps, slice, options);
  } catch (thrown) {
    const fault = toFault(thrown);
    if (fault.retryable || slice.length === 1) {
      await fail(deps, slice, fault);
      return { followed: [], large: [] };
    }
    const middle = Math.ceil(slice.length / 2);
    const first = await readOrHalve(deps, slice.slice(0, middle), options);
    const second = await readOrHalve(deps, slice.slice(middle), options);
    return {
      followed: [...first.followed, ...second.followed],
      large: [...first.large, ...second.large],
    };
  }
}

interface ReadOptions {
  /** Larger bodies are left for later. */
  readonly bytesMax: number;
  readonly repositories: FollowedRepositories;
}

interface SliceReading {
  readonly followed: readonly FollowedPush[];
  /** Not read: larger than asked for. */
  readonly large: readonly DueDelivery[];
}

type Ended = DeliveryEnd & { readonly due: DueDelivery; readonly kind: DispatchOutcome };

async function readSlice(
  deps: DispatchDeps,
  slice: readonly DueDelivery[],
  options: ReadOptions,
): Promise<SliceReading> {
  const claimedMs = deps.clock.monotonicMs();
  const { ended, ...found } = await deps.store.system('worker', async (tx) => {
    await commitWithoutWaiting(tx);
    const bodies = await readDeliveryBodies(tx, slice, options.bytesMax);
    const byId = new Map(bodies.map((body) => [body.id, body]));
    const large: DueDelivery[] = [];
    const ends: Ended[] = [];
    const pushes: PushDelivery[] = [];
    for (const due of slice) {
      const stored = byId.get(due.id);
      if (stored !== undefined && stored.body === null) {
        large.push(due);
        continue;
      }
      const body = stored?.body ?? null;
      const keys = options.repositories.get(due.organizationId) ?? null;
      if (body !== null && !mayConcern(body, keys)) {
        ends.push(endOf(due, namesNobody, 'unwatched'));
        continue;
      }
      const reading = readClaimed(due, body);
      if (reading.kind === 'push') pushes.push(reading.push);
      else ends.push(endOf(due, reading.reason, 'ignored'));
    }
    const following = await listFollowedBranches(tx, pushes.flatMap(namedBranches));
    const names = new Set(following.map(nameOfBranch));
    const followed: FollowedPush[] = [];
    for (const push of pushes) {
      const branches = namedBranches(push).filter((branch) => names.has(nameOfBranch(branch)));
      if (branches.length === 0) ends.push(endOf(push.due, describeUnwatched(push), 'unwatched'));
      else followed.push({ push, branches, organizationId: push.due.organizationId, claimedMs });
    }
    await finishDeliveries(tx, deps.clock.now(), ends);
    return { followed, large, ended: ends };
  });
  for (const { due, kind } of ended) deps.metrics.count(due, kind);
  return found;
}

function endOf(due: DueDelivery, outcome: string, kind: DispatchOutcome): Ended {
  return { id: due.id, state: 'HANDLED', outcome, due, kind };
}

/** Runs one piece of work after the other. */
function createTurns(): (work: () => Promise<void>) => Promise<void> {
  let last: Promise<void> = Promise.resolve();
  return (work) => {
    const turn = last.then(work);
    last = turn.catch(() => undefined);
    return turn;
  };
}

/** The name of the line in which a push waits. */
export function lineOf({ branches }: FollowedPush): string {
  return branches.map(nameOfBranch).sort().join('\n');
}
