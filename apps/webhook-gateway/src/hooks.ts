/**
 * Webhooks by id, with a short memory. Its life per id: unknown → asked for, once for all who come
 * within two seconds of that → remembered for two seconds from the question on, in the second of
 * which whoever comes first has it asked for again while it still counts → unknown. So what changed
 * two seconds before a request is known to it, in every replica and without a message between them,
 * and nobody waits for a busy webhook. Rotations rely on it: a secret is told to nobody before.
 */
import type { Clock, IncomingWebhookId, OrganizationId } from '@pilotfish/kernel';
import { isUuid, limits } from '@pilotfish/kernel';
import { createBatcher } from './batcher.ts';
import type { Provider } from './providers/providers.ts';
import type { SigningSecret } from './providers/signing-secret.ts';

/** A webhook that may be posted to. */
export interface Hook {
  readonly id: IncomingWebhookId;
  readonly organizationId: OrganizationId;
  readonly provider: Provider;
  readonly currentSecret: SigningSecret;
  /**
   * The second that counts: while a rotation is under way the one that it is about to tell, after it
   * the one before, until the instant that was promised to its owner.
   */
  readonly other: {
    readonly secret: SigningSecret;
    /** Null for no end. */
    readonly validUntil: Temporal.Instant | null;
  } | null;
}

/** Looks a webhook up; null where there is none. */
export type FindHook = (id: IncomingWebhookId) => Promise<Hook | null>;

export interface HookCache {
  /**
   * A promise only where the database has to be asked. The answer is of a question that was put two
   * seconds ago at most, however long the database took with it.
   *
   * @returns null for an id that is no webhook's
   * @throws Fault `unavailable` without a database, `overloaded` where too many are asked for
   */
  find(id: string): Hook | null | Promise<Hook | null>;
}

const rememberMs = limits.webhookMemoryMs;
const refreshMs = 1000;
/** Whoever guesses ids must not be able to grow the memory or to push the real ones out for long. */
const rememberedMax = 10_000;
/** Two at a time: somebody who tries ids must not take the connections that store deliveries. */
const lookup = {
  bytesOf: () => 0,
  batchItemsMax: 2,
  batchBytesMax: 1,
  inFlightMax: 1,
  besideMin: 1,
  gatherMs: 0,
  itemsMax: 4000,
  answerMsMax: 5000,
};

interface Remembered {
  readonly hook: Hook | null;
  readonly askedMs: number;
}

interface Asked {
  readonly answer: Promise<Hook | null>;
  readonly askedMs: number;
}

export function createHookCache(deps: { findHook: FindHook; clock: Clock }): HookCache {
  const { clock, findHook } = deps;
  const remembered = new Map<string, Remembered>();
  const asked = new Map<string, Asked>();
  const lookups = createBatcher<IncomingWebhookId, Hook | null>({
    run: (ids) => Promise.all(ids.map(findHook)),
    // Webhooks that exist have a line of their own: who tries ids waits for himself.
    ownerOf: (id) => (remembered.get(id)?.hook ? 'known' : 'unknown'),
    clock,
    ...lookup,
  });

  function remember(id: string, entry: Remembered): void {
    remembered.delete(id);
    remembered.set(id, entry);
    const [oldest] = remembered.keys();
    if (remembered.size > rememberedMax && oldest !== undefined) remembered.delete(oldest);
  }

  /** Once for all who ask meanwhile; a failure is nobody's property: the next one asks again. */
  function ask(id: string): Promise<Hook | null> {
    const nowMs = clock.monotonicMs();
    const already = asked.get(id);
    // What changed since the question need not be in its answer: one that waits for a slow database
    // is for those who came soon after it, not for whoever comes later.
    if (already !== undefined && nowMs - already.askedMs < rememberMs) return already.answer;
    const answer = lookups
      .add(id as IncomingWebhookId)
      .then((hook) => {
        remember(id, { hook, askedMs: nowMs });
        return hook;
      })
      .finally(() => {
        if (asked.get(id)?.answer === answer) asked.delete(id);
      });
    asked.set(id, { answer, askedMs: nowMs });
    return answer;
  }

  return {
    find(id) {
      if (!isUuid(id)) return null;
      const known = remembered.get(id);
      const ageMs = known === undefined ? Infinity : clock.monotonicMs() - known.askedMs;
      if (known === undefined || ageMs >= rememberMs) return ask(id);
      if (ageMs >= refreshMs) ask(id).catch(() => undefined);
      return known.hook;
    },
  };
}

/** The secrets of which one must have signed a request, at this moment. */
export function secretsOf({ currentSecret, other }: Hook, now: Temporal.Instant): SigningSecret[] {
  const otherCounts =
    other !== null &&
    (other.validUntil === null || Temporal.Instant.compare(now, other.validUntil) < 0);
  return otherCounts ? [currentSecret, other.secret] : [currentSecret];
}
