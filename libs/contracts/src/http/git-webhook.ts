import { z } from 'zod';
import { GitProvider } from './application.ts';

/** How the webhook of a service's repository stands at the Git provider. */
export const GitWebhookStatusResponse = z
  .object({
    status: z.enum(['ACTIVE', 'NOT_CONFIGURED', 'MISCONFIGURED', 'UNABLE_TO_VERIFY']),
    provider: GitProvider,
    /** Only with MISCONFIGURED: the provider's own names of what it does not send. */
    missing_events: z.array(z.string()).exactOptional(),
  })
  .meta({ id: 'GitWebhookStatusResponse' });
export type GitWebhookStatusResponse = z.infer<typeof GitWebhookStatusResponse>;
