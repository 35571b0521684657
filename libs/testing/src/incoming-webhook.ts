import { encryptValue, hookSecretBinding, keyEncryptionOf, newHookSecret } from '@pilotfish/crypto';
import { type IncomingWebhookId, newId, systemClock } from '@pilotfish/kernel';
import type { Sql } from 'postgres';
import type { OutgoingDelivery } from './webhook-sender.ts';

/** An incoming webhook with the secret that its owner was shown. */
export interface TestHook {
  readonly id: IncomingWebhookId;
  readonly organizationId: string;
  readonly provider: OutgoingDelivery['provider'];
  readonly secret: string;
}

/**
 * A webhook as core-api makes one, in an organization of its own.
 *
 * @param sql the superuser
 * @param hookKey what the gateway has in `webhook-gateway.key`
 */
export async function insertHook(
  sql: Sql,
  hookKey: Uint8Array,
  provider: TestHook['provider'],
): Promise<TestHook> {
  const [organizationId, principalId, id] = [newId(), newId(), newId<IncomingWebhookId>()];
  const secret = newHookSecret();
  const now = systemClock.now().toString();
  const binding = hookSecretBinding({ organizationId, incomingWebhookId: id, version: 1 });
  const ciphertext = Buffer.from(await encryptValue(keyEncryptionOf(hookKey), secret, binding));
  await sql`insert into organizations (id, name, created_at, updated_at)
    values (${organizationId}, ${`o-${organizationId}`}, ${now}, ${now})`;
  await sql`insert into incoming_webhooks
    (id, organization_id, name, provider, secret_ciphertext, created_by, created_at, updated_at)
    values (${id}, ${organizationId}, 'test', ${provider}, ${ciphertext}, ${principalId}, ${now}, ${now})`;
  return { id, organizationId, provider, secret };
}
