import { z } from 'zod';

/** Every HTTP answer that is no success: the status, the fault's title, and one sentence. */
export const Problem = z
  .object({ status: z.int(), error: z.string(), detail: z.string() })
  .meta({ id: 'Problem' });
export type Problem = z.infer<typeof Problem>;
