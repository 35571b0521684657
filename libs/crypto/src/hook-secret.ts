import { randomBytes } from 'node:crypto';
import type { ValueBinding } from './value.ts';

/**
 * What `KeyRing.derive` is asked for, so that those who encrypt and those who decrypt agree.
 * Changing a text makes everything encrypted under it unreadable.
 */
export const keyPurposes = {
  /** Encrypts the secrets of incoming webhooks; the webhook-gateway holds this key and no other. */
  hookSecrets: 'hook-secrets',
  /** Signs git access tokens; the secrets of managed webhooks are derived from it as well. */
  gitServer: 'git-server',
} as const;

/**
 * A secret for an incoming webhook. GitLab's signing tokens and Standard Webhooks take this form
 * only (`whsec_` and the base64 of 32 bytes); to every other sender it is just a text.
 */
export function newHookSecret(): string {
  return `whsec_${randomBytes(32).toString('base64')}`;
}

/** Where the ciphertext of a webhook's secret belongs; the previous secret has `version - 1`. */
export function hookSecretBinding(hook: {
  readonly organizationId: string;
  readonly incomingWebhookId: string;
  readonly version: number;
}): ValueBinding {
  return {
    organizationId: hook.organizationId,
    row: `incoming_webhooks/${hook.incomingWebhookId}`,
    version: hook.version,
  };
}
