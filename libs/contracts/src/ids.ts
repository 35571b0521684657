import type { Id } from '@pilotfish/kernel';
import { z } from 'zod';

/** A UUID on the wire, kept apart by the compiler from the ids of other resources. */
export function idSchema<T extends Id<string>>(): z.ZodType<T, string> {
  return z.uuid() as unknown as z.ZodType<T, string>;
}

const first = Temporal.Instant.from('0001-01-01T00:00:00Z');
const last = Temporal.Instant.from('9999-12-31T23:59:59.999Z');

/**
 * An RFC 3339 instant, as `Temporal.Instant` prints it. Its year has four digits in UTC too, and
 * still after the database has rounded it to milliseconds: with a fifth it is no RFC 3339 any more.
 */
export const InstantText = z.iso.datetime({ offset: true, abort: true }).refine(
  (text) => {
    const instant = Temporal.Instant.from(text);
    const { compare } = Temporal.Instant;
    return compare(instant, first) >= 0 && compare(instant, last) <= 0;
  },
  { error: 'must lie in the years 1 to 9999, in UTC' },
);
