import {
  type DeliveryProvider,
  type DeliveryReading,
  describeOutcome,
  ignoredByEvent,
  type RefChange,
  readDelivery,
  repositoryKey,
} from '@pilotfish/domain-deploy';
import type { OrganizationId } from '@pilotfish/kernel';
import type { DueDelivery, FollowedBranch } from '@pilotfish/store';

/** A claimed delivery that announces moved refs. */
export interface PushDelivery {
  readonly due: DueDelivery;
  readonly changes: readonly RefChange[];
  /** Keys of every address that the sender gave for the repository. */
  readonly repositoryKeys: readonly string[];
}

export type ClaimedReading =
  | { readonly kind: 'ignored'; readonly reason: string }
  | { readonly kind: 'push'; readonly push: PushDelivery };

/**
 * What is said of a delivery that starts nothing whatever its body says; null where the body has to
 * be read. Most deliveries end here: a body costs more to fetch and to parse than all the rest.
 *
 * @param building organizations that have a service from Git
 */
export function ignoredUnread(
  { provider, event, organizationId }: DueDelivery,
  building: ReadonlyMap<OrganizationId, unknown>,
): string | null {
  if (provider === null) return 'The webhook was deleted before this was handled.';
  const reason = ignoredByEvent(provider, event);
  if (reason !== null) return reason;
  if (building.has(organizationId)) return null;
  return 'No service of this organization is built from Git.';
}

/** What a claimed delivery is about. Total: every delivery is a push or has a reason not to be. */
export function readClaimed(
  due: DueDelivery & { readonly provider: DeliveryProvider | null },
  body: Uint8Array | null,
): ClaimedReading {
  const ignored = (reason: string) => ({ kind: 'ignored', reason }) as const;
  if (due.provider === null) return ignored('The webhook was deleted before this was handled.');
  if (body === null) return ignored('Its content is not kept any more.');
  const { provider, event } = due;
  const reading: DeliveryReading = readDelivery({ provider, event, body });
  if (reading.kind === 'ignored') return ignored(reading.reason);
  const keys = reading.repositoryUrls.map(repositoryKey).filter((key) => key !== null);
  if (keys.length === 0) return ignored('The push names no address of its repository.');
  const repositoryKeys = [...new Set(keys)].sort();
  return { kind: 'push', push: { due, changes: reading.changes, repositoryKeys } };
}

/** Every branch that a push may be about, once per address of its repository. */
export function namedBranches({
  due,
  changes,
  repositoryKeys,
}: PushDelivery): readonly FollowedBranch[] {
  const { organizationId } = due;
  const branches = new Set(changes.filter((c) => c.kind === 'branch').map((c) => c.name));
  return [...branches].flatMap((branch) =>
    repositoryKeys.map((key) => ({ organizationId, repositoryKey: key, branch })),
  );
}

/** What is said where the bytes of the body tell enough (see `mayConcern`). */
export const namesNobody = 'It names no repository that a service follows.';

/** One order everywhere, so that two dispatchers never wait for each other. */
export function nameOfBranch({
  organizationId,
  repositoryKey: key,
  branch,
}: FollowedBranch): string {
  return `${organizationId} ${key} ${branch}`;
}

/** The sentence for a push of which no branch is followed. */
export function describeUnwatched({ changes }: PushDelivery): string {
  return describeOutcome(
    changes.map(({ kind, name, claimedSha }) => {
      if (kind === 'tag') return { kind, name };
      return { kind: claimedSha === null ? 'deleted' : 'unwatched', branch: name };
    }),
  );
}
