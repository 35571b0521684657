import type { DeliveriesAfter, FailedDeliveries, FailedDelivery } from './provider.ts';

/** One attempt, as a page of the provider's list has it. */
export interface Attempt extends FailedDelivery {
  readonly isDelivered: boolean;
}

/** The next older page; null where there is none. */
export type NextPage = () => Promise<readonly Attempt[] | null>;

/** True where the first was made later: the ids of one webhook's deliveries only grow. */
function isNewer(id: string, than: string): boolean {
  return BigInt(id) > BigInt(than);
}

/**
 * Reads attempts, newest first, until `after`, and keeps those of events that never arrived. An
 * event of which any later attempt arrived did arrive: that is how a redelivery ends it.
 */
export async function collectFailed(
  nextPage: NextPage,
  after: DeliveriesAfter,
  pagesMax: number,
): Promise<FailedDeliveries> {
  const byEvent = new Map<string, Attempt>();
  let newestId: string | null = null;
  const isBefore = ({ id, deliveredAt }: Attempt) => {
    // `after.at` is of our clock, and what was made later is so whatever that one says.
    if (after.id !== null && isNewer(id, after.id)) return false;
    if (deliveredAt === null) return after.id !== null;
    return Temporal.Instant.compare(deliveredAt, after.at) < 0;
  };
  const finish = (isComplete: boolean): FailedDeliveries => {
    const failed = [...byEvent.values()]
      .filter(({ isDelivered }) => !isDelivered)
      .map(({ id, eventId, event, deliveredAt, status }) => ({
        id,
        eventId,
        event,
        deliveredAt,
        status,
      }))
      .reverse();
    const isRefused = failed.some(
      ({ id, status }) => status === 401 && (after.id === null || isNewer(id, after.id)),
    );
    return { failed, newestId, isComplete, isRefused };
  };
  for (let page = 0; page < pagesMax; page += 1) {
    const attempts = await nextPage();
    if (attempts === null) return finish(true);
    for (const attempt of attempts) {
      if (isBefore(attempt)) return finish(true);
      if (newestId === null || isNewer(attempt.id, newestId)) newestId = attempt.id;
      const known = byEvent.get(attempt.eventId);
      if (known === undefined || (attempt.isDelivered && !known.isDelivered)) {
        byEvent.set(attempt.eventId, attempt);
      }
    }
  }
  return finish(false);
}
