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
    nextSecretCiphertext: null,
  };
}

async function openHook(row: HookSecrets, keys: KeyEncryption): Promise<Hook | null> {
  if (!isProvider(row.provider)) return null;
  const { id: incomingWebhookId, organizationId } = row;
  const open = async (ciphertext: Uint8Array, version: number) => {
    const binding = hookSecretBinding({ organizationId, incomingWebhookId, version });
    return signingSecret(await decryptValue(keys, ciphertext, binding));
  };
  const currentSecret = await open(row.secretCiphertext, row.secretVersion);
  const second = secondOf(row);
  // Two are opened in any case: that one is under rotation cannot be told by a clock.
  const { ciphertext, version } = second ?? {
    ciphertext: row.secretCiphertext,
    version: row.secretVersion,
  };
  const secret = await open(ciphertext, version);
  return {
    id: incomingWebhookId,
    organizationId,
    provider: row.provider,
    currentSecret,
    other: second && { secret, validUntil: second.validUntil },
  };
}

interface Second {
  readonly ciphertext: Uint8Array;
  readonly version: number;
  readonly validUntil: Temporal.Instant | null;
}

/** A rotation begins only when the secret before the last one is over: there are never three. */
function secondOf(row: HookSecrets): Second | null {
  const { secretVersion, previousSecretCiphertext, nextSecretCiphertext } = row;
  if (nextSecretCiphertext !== null) {
    return { ciphertext: nextSecretCiphertext, version: secretVersion + 1, validUntil: null };
  }
  const validUntil = row.previousSecretValidUntil;
  if (previousSecretCiphertext === null || validUntil === null) return null;
  return { ciphertext: previousSecretCiphertext, version: secretVersion - 1, validUntil };
}
