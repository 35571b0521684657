import {
  type DeliveryReading,
  type RefChange,
  readDelivery,
  repositoryKey,
} from '@pilotfish/domain-deploy';
import type { ClaimedDelivery } from '@pilotfish/store';

/** A claimed delivery that announces moved refs. */
export interface PushDelivery {
  readonly claimed: ClaimedDelivery;
  readonly changes: readonly RefChange[];
  /** Keys of every address that the sender gave for the repository. */
  readonly repositoryKeys: readonly string[];
}

export type ClaimedReading =
  | { readonly kind: 'ignored'; readonly claimed: ClaimedDelivery; readonly reason: string }
  | { readonly kind: 'push'; readonly push: PushDelivery };

/** What a claimed delivery is about. Total: every delivery is a push or has a reason not to be. */
export function readClaimed(claimed: ClaimedDelivery): ClaimedReading {
  const { provider, body, delivery } = claimed;
  const ignored = (reason: string) => ({ kind: 'ignored', claimed, reason }) as const;
  if (provider === null) return ignored('The webhook was deleted before this was handled.');
  if (body === null) return ignored('Its content is not kept any more.');
  const reading: DeliveryReading = readDelivery({ provider, event: delivery.event, body });
  if (reading.kind === 'ignored') return ignored(reading.reason);
  const keys = reading.repositoryUrls.map(repositoryKey).filter((key) => key !== null);
  if (keys.length === 0) return ignored('The push names no address of its repository.');
  const repositoryKeys = [...new Set(keys)].sort();
  return { kind: 'push', push: { claimed, changes: reading.changes, repositoryKeys } };
}

/**
 * Deliveries that ask for the same branches of the same repository, so that Git is asked once for
 * all of them. All were claimed before that question, so its answer is new enough for each.
 */
export function groupPushes(pushes: readonly PushDelivery[]): readonly (readonly PushDelivery[])[] {
  const subject = ({ claimed, changes, repositoryKeys }: PushDelivery) =>
    JSON.stringify([
      claimed.delivery.organizationId,
      repositoryKeys,
      changes.map(({ kind, name }) => `${kind}/${name}`).sort(),
    ]);
  return [...Map.groupBy(pushes, subject).values()];
}
