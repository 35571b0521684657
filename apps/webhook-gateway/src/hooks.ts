/**
 * Webhooks by id, with a short memory. Its life per id: unknown → asked for, once for all who ask at
 * that moment → remembered for two seconds, in the second of which whoever comes first has it asked
 * for again while it still counts → unknown. So a rotation or a deletion takes effect within two
 * seconds in every replica, without a message between them, and nobody waits for a busy webhook.
 */
import type { Clock, IncomingWebhookId, OrganizationId } from '@pilotfish/kernel';
import { isUuid } from '@pilotfish/kernel';
import { createBatcher } from './batcher.ts';
import type { Provider } from './providers/providers.ts';
import type { SigningSecret } from './providers/signing-secret.ts';

/** A webhook that may be posted to. */
export interface Hook {
  readonly id: IncomingWebhookId;
  readonly organizationId: OrganizationId;
  readonly provider: Provider;
  readonly currentSecret: SigningSecret;
  /** After a rotation, until the instant that was promised to its owner. */
  readonly previous: {
    readonly secret: SigningSecret;
    readonly validUntil: Temporal.Instant;
  } | null;
}

/** Looks a webhook up; null where there is none. */
export type FindHook = (id: IncomingWebhookId) => Promise<Hook | null>;

export interface HookCache {
  /**
   * A promise only where the database has to be asked.
   *
   * @returns null for an id that is no webhook's
   * @throws Fault `unavailable` without a database, `overloaded` where too many are asked for
   */
  find(id: string): Hook | null | Promise<Hook | null>;
}

const rememberMs = 2000;
const refreshMs = 1000;
/** Whoever guesses ids must not be able to grow the memory or to push the real ones out for long. */
const rememberedMax = 10_000;
/** Two at a time: somebody who tries ids must not take the connections that store deliveries. */
const lookup = {
  ownerOf: () => '',
  bytesOf: () => 0,
  batchItemsMax: 2,
  batchBytesMax: 1,
  inFlightMax: 1,
  itemsMax: 4000,
  answerMsMax: 5000,
};

interface Remembered {
  readonly hook: Hook | null;
  readonly foundMs: number;
}

export function createHookCache(deps: { findHook: FindHook; clock: Clock }): HookCache {
  const { clock, findHook } = deps;
  const remembered = new Map<string, Remembered>();
  const asked = new Map<string, Promise<Hook | null>>();
  const lookups = createBatcher<IncomingWebhookId, Hook | null>({
    run: (ids) => Promise.all(ids.map(findHook)),
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
    const already = asked.get(id);
    if (already !== undefined) return already;
    // From before the question on: what changes while it is under way may not be in its answer.
    const foundMs = clock.monotonicMs();
    const answer = lookups
      .add(id as IncomingWebhookId)
      .then((hook) => {
        remember(id, { hook, foundMs });
        return hook;
      })
      .finally(() => asked.delete(id));
    asked.set(id, answer);
    return answer;
  }

  return {
    find(id) {
      if (!isUuid(id)) return null;
      const known = remembered.get(id);
      const ageMs = known === undefined ? Infinity : clock.monotonicMs() - known.foundMs;
      if (known === undefined || ageMs >= rememberMs) return ask(id);
      if (ageMs >= refreshMs) ask(id).catch(() => undefined);
      return known.hook;
    },
  };
}

/** The secrets of which one must have signed a request, at this moment. */
export function secretsOf(hook: Hook, now: Temporal.Instant): SigningSecret[] {
  const { currentSecret, previous } = hook;
  const previousCounts =
    previous !== null && Temporal.Instant.compare(now, previous.validUntil) < 0;
  return previousCounts ? [currentSecret, previous.secret] : [currentSecret];
}
