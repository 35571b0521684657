import type { ExecutionId } from '@pilotfish/kernel';
import { unreachable } from '@pilotfish/kernel';

/** What happens to a new execution while others of its environment are open. */
export type QueuePolicy = 'queue' | 'latest' | 'replace' | 'forbid';

export type ExecutionAction = 'DEPLOY' | 'RESTART' | 'STOP' | 'DELETE';

/** Who asked. Only pushes collapse: what a person asked for by name is carried out as asked. */
export type ExecutionOrigin = 'GIT' | 'API' | 'SYSTEM';

/** An execution that has not ended, as the decision needs it. */
export interface OpenExecution {
  readonly executionId: ExecutionId;
  readonly action: ExecutionAction;
  readonly origin: ExecutionOrigin;
  /** `released`: handed to the engine; until then it can still be taken back. */
  readonly phase: 'queued' | 'released' | 'canceling';
}

export type EnqueueDecision =
  | { readonly kind: 'refused'; readonly reason: string }
  | {
      readonly kind: 'accepted';
      /** True where the environment is free: hand it to the engine in the same transaction. */
      readonly releaseNow: boolean;
      /**
       * Executions that the newcomer stands for from now on: they end as superseded, and the
       * services they would have deployed join the newcomer, so that no push is lost.
       */
      readonly absorb: readonly ExecutionId[];
      /** The running execution to cancel first. */
      readonly cancel: ExecutionId | null;
    };

/**
 * Decides about a newcomer in an environment's queue.
 *
 * @param open the environment's open executions, oldest first; at most one is not `queued`
 */
export function decideEnqueue(
  policy: QueuePolicy,
  newcomer: { readonly action: ExecutionAction; readonly origin: ExecutionOrigin },
  open: readonly OpenExecution[],
): EnqueueDecision {
  const releaseNow = open.length === 0;
  if (open.some((e) => e.action === 'DELETE')) {
    return { kind: 'refused', reason: 'The environment is being deleted.' };
  }
  switch (policy) {
    case 'queue':
      return { kind: 'accepted', releaseNow, absorb: [], cancel: null };
    case 'latest':
      return { kind: 'accepted', releaseNow, absorb: trailingPushes(newcomer, open), cancel: null };
    case 'replace':
      return {
        kind: 'accepted',
        releaseNow,
        absorb: open.filter((e) => e.phase === 'queued').map((e) => e.executionId),
        cancel: open.find((e) => e.phase === 'released')?.executionId ?? null,
      };
    case 'forbid':
      return releaseNow
        ? { kind: 'accepted', releaseNow, absorb: [], cancel: null }
        : { kind: 'refused', reason: 'The environment is being worked on and queues nothing.' };
    default:
      return unreachable(policy);
  }
}

/**
 * The queued pushes directly before a new push. One behind a stop or a request by name stays: to
 * move it past that would end in another state than the order asked for.
 */
function trailingPushes(
  newcomer: { readonly action: ExecutionAction; readonly origin: ExecutionOrigin },
  open: readonly OpenExecution[],
): ExecutionId[] {
  const isPush = (e: { action: ExecutionAction; origin: ExecutionOrigin }) =>
    e.action === 'DEPLOY' && e.origin === 'GIT';
  if (!isPush(newcomer)) return [];
  const firstKept = open.findLastIndex((e) => e.phase !== 'queued' || !isPush(e));
  return open.slice(firstKept + 1).map((e) => e.executionId);
}
