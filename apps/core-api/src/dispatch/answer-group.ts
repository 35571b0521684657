import { messages } from '@pilotfish/contracts';
import { Fault, toFault } from '@pilotfish/kernel';
import { inSpan } from '@pilotfish/runtime';
import {
  commitWithoutWaiting,
  type DueDelivery,
  extendLeases,
  type FollowedBranch,
  finishDeliveries,
  postponeDeliveries,
  releaseDeliveries,
} from '@pilotfish/store';
import { askToCancel } from '../executions/ask-to-cancel.ts';
import { systemContext } from '../executions/system-context.ts';
import { randomFraction } from '../roles/random.ts';
import { askHeads, type KnownHead } from './ask-heads.ts';
import { attemptsMax, type DispatchDeps, leaseSeconds } from './deps.ts';
import { type Handled, handlePushes } from './handle-pushes.ts';
import { nameOfBranch, type PushDelivery } from './read-claimed.ts';
import { retryDelayMs } from './retry-delay.ts';

/** Pushes of one organization about the same branches, which stand in one line. */
export interface FollowedPush {
  readonly push: PushDelivery;
  readonly organizationId: DueDelivery['organizationId'];
  /** In order of their names. */
  readonly branches: readonly FollowedBranch[];
  readonly claimedMs: number;
}

/** Questions in a row of which the answer was overtaken by another replica's. */
const roundsMax = 5;

/** Handles all of them by one question to Git. Whatever fails, each of them ends or is tried again. */
export async function answerGroup(
  deps: DispatchDeps,
  waiting: readonly FollowedPush[],
  signal: AbortSignal,
): Promise<void> {
  // Once each: one whose claim ran out while it stood in line may have been taken again.
  const group = [...new Map(waiting.map((one) => [one.push.due.id, one])).values()];
  const due = group.map(({ push }) => push.due);
  try {
    await keepLeases(deps, group);
    await askAndHandle(deps, group, signal);
  } catch (thrown) {
    // Being closed is no failure of theirs. Those that were handled are not pending any more.
    if (signal.aborted) await release(deps, due);
    else await fail(deps, due, toFault(thrown));
  }
}

async function askAndHandle(
  deps: DispatchDeps,
  group: readonly FollowedPush[],
  signal: AbortSignal,
): Promise<void> {
  const [first] = group;
  if (first === undefined) return;
  const { trace } = first.push.due;
  await inSpan('dispatch push', { parent: trace, kind: 'consumer' }, async (span) => {
    for (let rounds = 1; ; rounds += 1) {
      const context = systemContext(first.organizationId, 'git push', span.traceparent);
      const branches = branchesOf(group);
      const heads = await countFailures(deps, group, () =>
        askHeads(deps, context, branches, signal),
      );
      const pushes = group.map(({ push }) => push);
      const isDone = await handleOrHalve(deps, context, pushes, heads);
      deps.metrics.asked(isDone ? 'answered' : 'overtaken', group.length);
      if (isDone) return;
      if (rounds >= roundsMax) {
        throw new Fault('overloaded', 'Others act on this branch all the time');
      }
    }
  });
}

async function countFailures<T>(
  { metrics }: DispatchDeps,
  group: readonly FollowedPush[],
  ask: () => Promise<T>,
): Promise<T> {
  try {
    return await ask();
  } catch (thrown) {
    metrics.asked('failed', group.length);
    throw thrown;
  }
}

function branchesOf(group: readonly FollowedPush[]): readonly FollowedBranch[] {
  const byName = new Map(
    group.flatMap(({ branches }) => branches).map((branch) => [nameOfBranch(branch), branch]),
  );
  return [...byName].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, branch]) => branch);
}

/**
 * One transaction for all; where that fails for a reason that lies in the deliveries, one for each
 * half, with the same answer of Git. So one that can never be handled is alone in the end, and
 * nobody is set aside for having stood beside it.
 *
 * @returns false where the answer was overtaken; some may have been handled all the same
 */
async function handleOrHalve(
  deps: DispatchDeps,
  context: ReturnType<typeof systemContext>,
  pushes: readonly PushDelivery[],
  heads: readonly KnownHead[],
  acted = { times: 0 },
): Promise<boolean> {
  try {
    const result = await deps.store.system('worker', async (tx) => {
      const present = heads.map((head) => ({ ...head, actions: head.actions + acted.times }));
      return await handlePushes(await tx.asTenant(context), deps.clock.now(), pushes, present);
    });
    if (result.kind === 'overtaken') return false;
    if (result.outcomes.size > 0) acted.times += 1;
    await afterCommit(deps, context, pushes, result);
    return true;
  } catch (thrown) {
    const fault = toFault(thrown);
    if (fault.retryable || pushes.length === 1) {
      await fail(
        deps,
        pushes.map(({ due }) => due),
        fault,
      );
      return true;
    }
    const middle = Math.ceil(pushes.length / 2);
    const first = await handleOrHalve(deps, context, pushes.slice(0, middle), heads, acted);
    return first && (await handleOrHalve(deps, context, pushes.slice(middle), heads, acted));
  }
}

async function afterCommit(
  deps: DispatchDeps,
  { organizationId, trace }: ReturnType<typeof systemContext>,
  pushes: readonly PushDelivery[],
  { released, executionIds, canceling, outcomes }: Handled,
): Promise<void> {
  for (const { due } of pushes) {
    const outcome = outcomes.get(due.id);
    if (outcome !== undefined) deps.metrics.count(due, outcome);
  }
  const deliveryIds = [...outcomes.keys()];
  deps.logger.info(
    // A burst may be of thousands.
    {
      deliveryIds: deliveryIds.slice(0, 20),
      count: deliveryIds.length,
      executionIds,
      released,
      trace,
    },
    'push handled',
  );
  if (released) deps.bus.ring(messages.outboxWritten, {}, {});
  for (const executionId of canceling) await askToCancel(deps, organizationId, executionId);
}

/** Those that waited in line have used up some of their time. */
async function keepLeases(
  { store, clock }: DispatchDeps,
  group: readonly FollowedPush[],
): Promise<void> {
  const claimedMs = Math.min(...group.map((one) => one.claimedMs));
  if (clock.monotonicMs() - claimedMs < (leaseSeconds * 1000) / 10) return;
  const ids = group.map(({ push }) => push.due.id);
  await store.system('worker', async (tx) => {
    await commitWithoutWaiting(tx);
    await extendLeases(tx, ids, clock.now().add({ seconds: leaseSeconds }));
  });
}

/** Tried again after a while, together; or set aside with the reason after the last time. */
export async function fail(
  { store, clock, logger, metrics }: DispatchDeps,
  failed: readonly DueDelivery[],
  fault: Fault,
): Promise<void> {
  const mayPass = fault.retryable || fault.code === 'internal';
  const isLast = ({ attempts }: DueDelivery) => !mayPass || attempts + 1 >= attemptsMax;
  const last = failed.filter(isLast);
  const others = failed.filter((due) => !isLast(due));
  logger.warn(
    {
      err: fault,
      internal: fault.internal,
      deliveryIds: failed.slice(0, 20).map(({ id }) => id),
      count: failed.length,
      setAside: last.length,
      trace: failed[0]?.trace,
    },
    'deliveries could not be handled',
  );
  const now = clock.now();
  const attempts = Math.max(0, ...others.map((due) => due.attempts));
  const delayMs = retryDelayMs(attempts, randomFraction());
  const ended = await store.system('worker', async (tx) => {
    await postponeDeliveries(
      tx,
      others.map(({ id }) => id),
      now.add({ milliseconds: delayMs }),
      `Will be tried again: ${fault.detail}`,
    );
    const ends = last.map((due) => ({
      id: due.id,
      state: 'SET_ASIDE' as const,
      outcome: `Set aside after it was tried ${times(due.attempts + 1)}: ${fault.detail}`,
    }));
    return await finishDeliveries(tx, now, ends);
  });
  for (const due of others) metrics.count(due, 'postponed');
  for (const due of last) if (ended.has(due.id)) metrics.count(due, 'set_aside');
}

/** For whoever comes next: at once, and as if they had never been claimed. */
export async function release(
  { store, clock }: Pick<DispatchDeps, 'store' | 'clock'>,
  due: readonly DueDelivery[],
): Promise<void> {
  if (due.length === 0) return;
  const ids = due.map(({ id }) => id);
  await store.system('worker', (tx) => releaseDeliveries(tx, ids, clock.now()));
}

export function times(attempts: number): string {
  return attempts === 1 ? 'once' : `${attempts} times`;
}
