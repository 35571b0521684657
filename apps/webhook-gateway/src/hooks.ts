/**
 * Webhooks by id, with a short memory. Its life per id: unknown → asked for, once for all who ask at
 * that moment → remembered for two seconds → unknown. So a rotation
 * or a deletion takes effect within two seconds in every replica, without a message between them.
 */
import type { Clock, IncomingWebhookId, OrganizationId } from '@pilotfish/kernel';
import { isUuid } from '@pilotfish/kernel';
import { createBatcher } from './batcher.ts';
import type { Provider } from './providers/providers.ts';

/** A webhook that may be posted to. */
export interface Hook {
  readonly id: IncomingWebhookId;
  readonly organizationId: OrganizationId;
  readonly provider: Provider;
  readonly currentSecret: string;
  /** After a rotation, until the instant that was promised to its owner. */
  readonly previous: { readonly secret: string; readonly validUntil: Temporal.Instant } | null;
}

/** Looks a webhook up; null where there is none. */
export type FindHook = (id: IncomingWebhookId) => Promise<Hook | null>;

export interface HookCache {
  /**
   * @returns null for an id that is no webhook's
   * @throws Fault `unavailable` without a database, `overloaded` where too many are asked for
   */
  find(id: string): Promise<Hook | null>;
}

const rememberMs = 2000;
/** Whoever guesses ids must not be able to grow the memory or to push the real ones out for long. */
const rememberedMax = 10_000;
/** Two at a time: somebody who tries ids must not take the connections that store deliveries. */
const lookup = { batchItemsMax: 2, inFlightMax: 1, queueItemsMax: 2000 };

export function createHookCache(deps: { findHook: FindHook; clock: Clock }): HookCache {
  const { clock, findHook } = deps;
  const remembered = new Map<string, { hook: Promise<Hook | null>; untilMs: number }>();
  const lookups = createBatcher<IncomingWebhookId, Hook | null>({
    run: (ids) => Promise.all(ids.map(findHook)),
    bytesOf: () => 0,
    batchBytesMax: 1,
    ...lookup,
  });
  return {
    find(id) {
      if (!isUuid(id)) return Promise.resolve(null);
      const nowMs = clock.monotonicMs();
      const known = remembered.get(id);
      if (known && known.untilMs > nowMs) return known.hook;
      const hook = lookups.add(id as IncomingWebhookId);
      const entry = { hook, untilMs: nowMs + rememberMs };
      remembered.delete(id);
      remembered.set(id, entry);
      // A failure is nobody's property: the next request asks again.
      hook.catch(() => {
        if (remembered.get(id) === entry) remembered.delete(id);
      });
      const [oldest] = remembered.keys();
      if (remembered.size > rememberedMax && oldest !== undefined) remembered.delete(oldest);
      return hook;
    },
  };
}

/** The secrets of which one must have signed a request, at this moment. */
export function secretsOf(hook: Hook, now: Temporal.Instant): string[] {
  const { currentSecret, previous } = hook;
  const previousCounts =
    previous !== null && Temporal.Instant.compare(now, previous.validUntil) < 0;
  return previousCounts ? [currentSecret, previous.secret] : [currentSecret];
}
