/** What was stored of a branch, in the words of `branch_heads`. */
export interface KnownHead {
  /** The head that was last seen; null where the branch was not there. */
  readonly headSha: string | null;
  /** The head that was last acted on. */
  readonly handledSha: string | null;
  /** Since when the branch has been as it was last acted on, or ahead of that. */
  readonly observedAt: Temporal.Instant;
}

export type HeadJudgement =
  /** Never seen before: taken as it is, only what moves later is a push. */
  | { readonly kind: 'new' }
  /** As it was acted on, or gone: a branch that is deleted starts nothing. */
  | { readonly kind: 'settled' }
  /** Moved, and its webhook may still be on its way. `since`: when that was first seen. */
  | { readonly kind: 'waiting'; readonly since: Temporal.Instant }
  /** Moved long enough ago: its webhook is not coming. */
  | { readonly kind: 'missed'; readonly since: Temporal.Instant };

/**
 * Compares the head that Git names with what was acted on. However often a branch moves meanwhile,
 * the grace is counted from the first move that nobody acted on: a branch that is pushed to all the
 * time is not to wait for ever.
 *
 * @param known null where the branch was never seen
 * @param graceMs how long a webhook may be on its way
 */
export function judgeHead(
  headSha: string | null,
  known: KnownHead | null,
  now: Temporal.Instant,
  graceMs: number,
): HeadJudgement {
  if (known === null) return { kind: 'new' };
  if (headSha === null || headSha === known.handledSha) return { kind: 'settled' };
  const wasAhead = known.headSha !== null && known.headSha !== known.handledSha;
  const since = wasAhead ? known.observedAt : now;
  const waitedMs = now.epochMilliseconds - since.epochMilliseconds;
  return waitedMs < graceMs ? { kind: 'waiting', since } : { kind: 'missed', since };
}
