import { z } from 'zod';
import { InstantText } from '../ids.ts';

/** What every stored resource shows. `updated_at` is never left out: the Go client insists on it. */
export const base = {
  id: z.uuid(),
  created_at: InstantText,
  updated_at: InstantText.exactOptional(),
};

/** Another resource, by id only. */
export const ReferenceObject = z.object({ id: z.uuid() }).meta({ id: 'ReferenceObject' });
export type ReferenceObject = z.infer<typeof ReferenceObject>;

/** Lists are always wrapped, so that something can be said beside the elements later. */
export function listOf<T extends z.ZodType>(item: T, name: string) {
  return z.object({ results: z.array(item).exactOptional() }).meta({ id: name });
}

/** What people call their resources. */
export const ResourceName = z.string().trim().min(1).max(255);

/** Free text beside a name. */
export const Description = z.string().max(4096);
