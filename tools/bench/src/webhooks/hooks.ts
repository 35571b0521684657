import { encryptValue, hookSecretBinding, keyEncryptionOf, newHookSecret } from '@pilotfish/crypto';
import { newId, type OrganizationId, systemClock } from '@pilotfish/kernel';
import type { Servers } from './servers.ts';

export interface Hook {
  readonly organizationId: OrganizationId;
  readonly path: string;
}

/** Webhooks that share a secret, so that every contestant can check the same signatures. */
export interface Hooks {
  readonly secret: string;
  readonly each: readonly Hook[];
}

/** As many organizations with one GitHub webhook each. */
export async function makeHooks(servers: Servers, count: number): Promise<Hooks> {
  const { sql, hookKey } = servers;
  const keys = keyEncryptionOf(hookKey);
  const secret = newHookSecret();
  const now = systemClock.now().toString();
  const each: Hook[] = [];
  while (each.length < count) {
    const organizationId = newId<OrganizationId>();
    const [principalId, id] = [newId(), newId()];
    const binding = hookSecretBinding({ organizationId, incomingWebhookId: id, version: 1 });
    const ciphertext = Buffer.from(await encryptValue(keys, secret, binding));
    await sql`insert into organizations (id, name, created_at, updated_at)
      values (${organizationId}, ${`bench-${each.length}`}, ${now}, ${now})`;
    await sql`insert into incoming_webhooks (id, organization_id, name, provider,
        secret_ciphertext, created_by, created_at, updated_at)
      values (${id}, ${organizationId}, 'bench', 'GITHUB', ${ciphertext}, ${principalId},
        ${now}, ${now})`;
    each.push({ organizationId, path: `/webhook/${id}` });
  }
  return { secret, each };
}
