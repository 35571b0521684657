import { createHash } from 'node:crypto';

const idCharactersMax = 200;
/** Within this time a sender without delivery ids may retry without being handled twice. */
const bodyWindowSeconds = 600;

/**
 * What makes a delivery arrive once per webhook: the sender's id for it. A sender without ids is
 * keyed by its body, within windows of ten minutes: pushing A, then B, then A again later is three
 * deliveries. A retry across the edge of a window is handled twice, which does no harm, because a
 * delivery only says "look again".
 */
export function deliveryKeyOf(delivery: {
  readonly senderId: string | null;
  readonly event: string;
  readonly body: Uint8Array;
  readonly now: Temporal.Instant;
}): string {
  const { body, event, now, senderId } = delivery;
  if (senderId === null) {
    const hash = createHash('sha256').update(`${event}\n`).update(body).digest('hex');
    const window = Math.floor(now.epochMilliseconds / 1000 / bodyWindowSeconds);
    return `body:${hash}:${window}`;
  }
  // Also where it contains what a text column cannot hold; two ids never become the same.
  if (senderId.length > idCharactersMax || /[^\x20-\x7e]/.test(senderId)) {
    return `hash:${createHash('sha256').update(senderId).digest('hex')}`;
  }
  return senderId;
}
