import { createHash } from 'node:crypto';
import type { Organization, OrganizationRequest } from '@pilotfish/contracts/http';
import type { Principal } from '@pilotfish/http';
import { Fault, newId, type OrganizationId } from '@pilotfish/kernel';
import {
  getOrganization,
  type TenantContext,
  type TenantTransaction,
  updateOrganization,
} from '@pilotfish/store';
import type { ApiDeps } from '../api/call.ts';
import { organizationWire } from '../routes/organization-wire.ts';
import { defined } from '../routes/wire.ts';
import { createOrganization } from './create-organization.ts';

export interface OwnOrganizationCall {
  readonly principal: Principal;
  readonly body: OrganizationRequest;
  readonly now: Temporal.Instant;
  readonly trace: string;
  readonly idempotencyKey: string | null;
}

/**
 * Makes an organization that the caller owns. There is no tenant yet in which an Idempotency-Key
 * could be remembered, so the key decides the id: a repeat finds what the first one made.
 *
 * @throws Fault `conflict` where the key made an organization of another name before
 */
export async function createOwnOrganization(
  { store, keys }: ApiDeps,
  { principal, body, now, trace, idempotencyKey }: OwnOrganizationCall,
): Promise<Organization> {
  const organizationId =
    idempotencyKey === null ? newId<OrganizationId>() : idFor(principal, idempotencyKey);
  const context: TenantContext = {
    organizationId,
    actor: { principalId: principal.id, kind: principal.kind, name: principal.name },
    trace,
  };
  return await store.tenant(context, async (tx) => {
    const existing = idempotencyKey === null ? null : await findExisting(tx);
    if (existing !== null && existing.name !== body.name) {
      throw new Fault('conflict', 'This Idempotency-Key was used for another request');
    }
    if (existing !== null) return await organizationWire(tx, existing);
    const { name, description, plan } = body;
    await createOrganization(tx, { keys, now }, { name, description: description ?? '', plan });
    const links = {
      websiteUrl: body.website_url,
      repository: body.repository,
      logoUrl: body.logo_url,
      iconUrl: body.icon_url,
    };
    return await organizationWire(tx, await updateOrganization(tx, now, defined(links)));
  });
}

async function findExisting(tx: TenantTransaction) {
  try {
    return await getOrganization(tx);
  } catch (error) {
    if (error instanceof Fault && error.code === 'not_found') return null;
    throw error;
  }
}

/** A UUIDv8 (RFC 9562 §5.8): the same for the same principal and key, guessable by nobody else. */
function idFor(principal: Principal, key: string): OrganizationId {
  const bytes = createHash('sha256').update(`organization\n${principal.id}\n${key}`).digest();
  const hex = bytes.subarray(0, 16).toString('hex');
  const variant = ((Number.parseInt(hex.slice(16, 17), 16) & 0x3) | 0x8).toString(16);
  const parts = [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `8${hex.slice(13, 16)}`,
    `${variant}${hex.slice(17, 20)}`,
    hex.slice(20, 32),
  ];
  return parts.join('-') as OrganizationId;
}
