import { randomUUIDv7 } from 'node:crypto';
import { builtInRoles } from '@pilotfish/contracts';
import { encryptValue, type KeyRing, keyEncryptionOf, managedHookSecret } from '@pilotfish/crypto';
import { type IncomingWebhookId, newId } from '@pilotfish/kernel';
import { appendAudit, type TenantTransaction, tables } from '@pilotfish/store';
import { keyPurposes } from '../identity.ts';

export interface NewOrganization {
  readonly name: string;
  readonly description?: string;
  readonly plan?: string;
}

/**
 * Makes the organization that the transaction is for (its id is the context's), with the built-in
 * roles, the one who makes it as its Owner, and the managed webhook of the built-in git-server.
 *
 * @returns the ids of the built-in roles by name
 */
export async function createOrganization(
  tx: TenantTransaction,
  { keys, now }: { readonly keys: KeyRing; readonly now: Temporal.Instant },
  organization: NewOrganization,
): Promise<Readonly<Record<keyof typeof builtInRoles, string>>> {
  const { organizationId } = tx;
  const { principalId } = tx.context.actor;
  const edited = { createdAt: now, updatedAt: now };
  await tx.db.insert(tables.organizations).values({
    id: organizationId,
    name: organization.name,
    description: organization.description ?? '',
    ...(organization.plan === undefined ? {} : { plan: organization.plan }),
    ...edited,
  });
  const roles = Object.entries(builtInRoles).map(([name, permissions]) => ({
    id: randomUUIDv7(),
    organizationId,
    name,
    builtIn: true,
    permissions: [...permissions],
    ...edited,
  }));
  await tx.db.insert(tables.roles).values(roles);
  const roleIds = Object.fromEntries(roles.map(({ id, name }) => [name, id])) as Record<
    keyof typeof builtInRoles,
    string
  >;
  await tx.db
    .insert(tables.memberships)
    .values({ organizationId, principalId, roleId: roleIds.Owner, createdAt: now });
  await createManagedWebhook(tx, keys, now);
  await appendAudit(tx, now, {
    action: 'organization.created',
    targetKind: 'organization',
    targetId: organizationId,
    detail: { name: organization.name },
  });
  return roleIds;
}

async function createManagedWebhook(
  tx: TenantTransaction,
  keys: KeyRing,
  now: Temporal.Instant,
): Promise<void> {
  const { organizationId } = tx;
  const id = newId<IncomingWebhookId>();
  const secret = managedHookSecret(keys.derive(keyPurposes.gitServer), id);
  const hookKeys = keyEncryptionOf(keys.derive(keyPurposes.incomingWebhooks));
  await tx.db.insert(tables.incomingWebhooks).values({
    id,
    organizationId,
    name: 'Built-in git-server',
    provider: 'GENERIC',
    secretCiphertext: await encryptValue(hookKeys, secret, {
      organizationId,
      row: `incoming_webhooks/${id}`,
      version: 1,
    }),
    managed: true,
    createdBy: tx.context.actor.principalId,
    createdAt: now,
    updatedAt: now,
  });
}
