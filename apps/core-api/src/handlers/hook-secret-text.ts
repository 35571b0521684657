import {
  decryptValue,
  encryptValue,
  hookSecretBinding,
  type KeyRing,
  keyEncryptionOf,
} from '@pilotfish/crypto';
import type { IncomingWebhookId, OrganizationId } from '@pilotfish/kernel';
import type { IncomingWebhookRow } from '@pilotfish/store';
import { keyPurposes } from '../identity.ts';

const hookKeys = (keys: KeyRing) => keyEncryptionOf(keys.derive(keyPurposes.incomingWebhooks));

/** The ciphertext of an incoming webhook's secret, good for that webhook and version only. */
export async function encryptHookSecret(
  keys: KeyRing,
  secret: string,
  hook: {
    readonly organizationId: OrganizationId;
    readonly incomingWebhookId: IncomingWebhookId;
    readonly version: number;
  },
): Promise<Uint8Array> {
  return await encryptValue(hookKeys(keys), secret, hookSecretBinding(hook));
}

/** The secret that counts, for the provider that is to sign with it. */
export async function openHookSecret(
  keys: KeyRing,
  row: Pick<IncomingWebhookRow, 'organizationId' | 'id' | 'secretVersion' | 'secretCiphertext'>,
): Promise<string> {
  const { organizationId, id: incomingWebhookId, secretVersion: version } = row;
  const binding = hookSecretBinding({ organizationId, incomingWebhookId, version });
  return await decryptValue(hookKeys(keys), row.secretCiphertext, binding);
}
