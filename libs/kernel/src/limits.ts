/** Limits that more than one process must agree on. Bytes, milliseconds and counts as named. */
export const limits = {
  /** A NATS message stays below this; larger content travels by hash. */
  messageBytesMax: 256 * 1024,
  /** Lines of one list answer; wire lists without paging are bounded by quotas at creation. */
  listRowsMax: 1000,
  /** One line of a log; the rest is cut and marked. */
  logLineBytesMax: 16 * 1024,
  /** Retention of event lines, unless the operator sets another. */
  eventRetentionDays: 90,
  /** Of the raw bodies of deliveries, unless the operator sets another. */
  payloadRetentionDays: 30,
  /** Of deliveries, by which a repeat is recognised; unless the operator sets another. */
  deliveryRetentionDays: 90,
  /**
   * A delivery is verified with a webhook as it was so long before it arrived, at the most. A new
   * secret is told to nobody before it has counted for longer than that.
   */
  webhookMemoryMs: 2000,
} as const;
