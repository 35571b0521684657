import {
  decryptValue,
  encryptValue,
  hookSecretBinding,
  type KeyEncryption,
  newHookSecret,
} from '@pilotfish/crypto';
import { type IncomingWebhookId, newId, type OrganizationId } from '@pilotfish/kernel';
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
  const decoy = makeDecoy(keys);
  return async (id) => {
    const row = await inbox.findHook(id);
    if (row === null) {
      // Takes as long as one that exists, to whoever tries ids.
      await openHook(await decoy, keys);
      return null;
    }
    try {
      return await openHook(row, keys);
    } catch (error) {
      logger.error({ err: error, incomingWebhookId: id }, 'the secret of a webhook does not open');
      return null;
    }
  };
}

/** A webhook of nobody, whose secret opens. */
async function makeDecoy(keys: KeyEncryption): Promise<HookSecrets> {
  const [id, organizationId] = [newId<IncomingWebhookId>(), newId<OrganizationId>()];
  const binding = hookSecretBinding({ organizationId, incomingWebhookId: id, version: 1 });
  return {
    id,
    organizationId,
    provider: 'GENERIC',
    secretCiphertext: await encryptValue(keys, newHookSecret(), binding),
    secretVersion: 1,
    previousSecretCiphertext: null,
    previousSecretValidUntil: null,
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
  const currentSecret = await open(row.secretCiphertext, row.secretVersion);
  const hasPrevious = previousSecretCiphertext !== null && validUntil !== null;
  // Two are opened in any case: that one is under rotation cannot be told by a clock.
  const other = hasPrevious
    ? await open(previousSecretCiphertext, row.secretVersion - 1)
    : await open(row.secretCiphertext, row.secretVersion);
  return {
    id: incomingWebhookId,
    organizationId,
    provider: row.provider,
    currentSecret,
    previous: hasPrevious ? { secret: other, validUntil } : null,
  };
}
