import { deriveKey } from './bytes.ts';

/**
 * The secret of the webhook by which the git-server announces the pushes of one organization.
 * Both sides compute it from the git-server's key, so that it is never sent anywhere.
 *
 * @param gitServerKey what `git-server.key` holds
 */
export function managedHookSecret(gitServerKey: Uint8Array, incomingWebhookId: string): string {
  const key = deriveKey(gitServerKey, `managed-hook/${incomingWebhookId}`);
  return Buffer.from(key).toString('base64url');
}
