import { z } from 'zod';

/** Versions of the message protocol that this build speaks: its own and the one before. */
export const protocol = { current: 1, oldest: 1 } as const;

/**
 * What every message carries beside its body. Read loosely: an unknown field comes from a newer
 * peer and is left in place, not an error.
 */
export const Envelope = z.looseObject({
  v: z.int().min(protocol.oldest),
  /** The message's own id; the same message sent again keeps it. */
  id: z.string().min(1),
  /** Grows when a control plane starts from other memory than before; an engine refuses older ones. */
  epoch: z.int().nonnegative(),
  /** Grows with each change of an environment's desired state; an engine refuses older ones. */
  generation: z.int().nonnegative(),
  /** Fences the writes of one engine identity; moves only by report or revocation, never by time. */
  lease: z.int().nonnegative(),
  /** 1 for the first issue of an execution; higher where nobody had reported on it. */
  attempt: z.int().min(1),
  /** W3C `traceparent` of what caused this message. */
  trace: z.string().optional(),
});
export type Envelope = z.infer<typeof Envelope>;
