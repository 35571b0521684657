import { z } from 'zod';
import { Explanation } from '../messages/event.ts';

/** A word of our own: why a deployment of a service failed, the lines that matter, what to try. */
export const Failure = z.object(Explanation.shape).meta({ id: 'Failure' });
export type Failure = z.infer<typeof Failure>;
