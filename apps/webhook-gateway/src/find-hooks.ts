import { decryptValue, hookSecretBinding, type KeyEncryption } from '@pilotfish/crypto';
import type { Logger } from '@pilotfish/runtime';
import type { HookSecrets, Inbox } from '@pilotfish/store';
import type { FindHook, Hook } from './hooks.ts';
import { isProvider } from './providers/providers.ts';
import { signingSecret } from './providers/signing-secret.ts';

/**
 * Webhooks from the database, with their secrets opened. One whose secret does not open (restored
 * next to another key file) is said in the log; to its sender it is unknown.
 */
export function createFindHook(deps: {
  readonly inbox: Pick<Inbox, 'findHook'>;
  readonly keys: KeyEncryption;
  readonly logger: Logger;
}): FindHook {
  const { inbox, keys, logger } = deps;
  return async (id) => {
    const row = await inbox.findHook(id);
    if (row === null) return null;
    try {
      return await openHook(row, keys);
    } catch (error) {
      logger.error({ err: error, incomingWebhookId: id }, 'the secret of a webhook does not open');
      return null;
    }
  };
}

async function openHook(row: HookSecrets, keys: KeyEncryption): Promise<Hook | null> {
  if (!isProvider(row.provider)) return null;
  const { id: incomingWebhookId, organizationId } = row;
  const open = async (ciphertext: Uint8Array, version: number) => {
    const binding = hookSecretBinding({ organizationId, incomingWebhookId, version });
    return signingSecret(await decryptValue(keys, ciphertext, binding));
  };
  const { previousSecretCiphertext, previousSecretValidUntil: validUntil } = row;
  const previous =
    previousSecretCiphertext && validUntil
      ? { secret: await open(previousSecretCiphertext, row.secretVersion - 1), validUntil }
      : null;
  return {
    id: incomingWebhookId,
    organizationId,
    provider: row.provider,
    currentSecret: await open(row.secretCiphertext, row.secretVersion),
    previous,
  };
}
