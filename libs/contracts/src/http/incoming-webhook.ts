import type { IncomingWebhookId } from '@pilotfish/kernel';
import { z } from 'zod';
import { InstantText, idSchema } from '../ids.ts';
import { listOf, ResourceName } from './base.ts';

/** How a sender signs. GITEA includes Forgejo; GENERIC is documented for any sender. */
const WebhookProvider = z.enum(['GITHUB', 'GITLAB', 'BITBUCKET', 'GITEA', 'GENERIC']);

export const IncomingWebhookRequest = z
  .strictObject({ name: ResourceName, provider: WebhookProvider })
  .meta({ id: 'IncomingWebhookRequest' });
export type IncomingWebhookRequest = z.infer<typeof IncomingWebhookRequest>;

/** Where a Git provider may post to. */
export const IncomingWebhook = z
  .object({
    id: idSchema<IncomingWebhookId>(),
    created_at: InstantText,
    updated_at: InstantText,
    name: z.string(),
    provider: WebhookProvider,
    url: z.string(),
    /** Until when the secret before the last rotation still counts; null when it no longer does. */
    previous_secret_valid_until: InstantText.nullable(),
  })
  .meta({ id: 'IncomingWebhook' });
export type IncomingWebhook = z.infer<typeof IncomingWebhook>;

/** The answer of creating and of rotating: the only times that `secret` is shown. */
export const IncomingWebhookWithSecret = IncomingWebhook.extend({ secret: z.string() }).meta({
  id: 'IncomingWebhookWithSecret',
});
export type IncomingWebhookWithSecret = z.infer<typeof IncomingWebhookWithSecret>;

export const IncomingWebhookList = listOf(IncomingWebhook, 'IncomingWebhookList');
