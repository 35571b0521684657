import type { Id } from '@pilotfish/kernel';
import { z } from 'zod';

/** A UUID on the wire, kept apart by the compiler from the ids of other resources. */
export function idSchema<T extends Id<string>>(): z.ZodType<T, string> {
  return z.uuid() as unknown as z.ZodType<T, string>;
}

/** An RFC 3339 instant in UTC with milliseconds, as `Temporal.Instant` prints it. */
export const InstantText = z.iso.datetime({ offset: true });
