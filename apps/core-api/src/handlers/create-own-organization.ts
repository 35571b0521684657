import { createHash } from 'node:crypto';
import { type Organization, type OrganizationRequest, operations } from '@pilotfish/contracts/http';
import type { Principal } from '@pilotfish/http';
import { newId, type OrganizationId } from '@pilotfish/kernel';
import { type TenantContext, updateOrganization } from '@pilotfish/store';
import type { ApiDeps } from '../api/call.ts';
import { describeRequest, findAnswer, keepAnswer, takeKey } from '../api/idempotency.ts';
import { keyPurposes } from '../identity.ts';
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
 * could be looked up, so the key decides the id of the one that is made, and lies there.
 *
 * @throws Fault `conflict` where the key was used for another request, or so long ago that its
 * answer is forgotten
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
  const input = { params: undefined, query: undefined, body };
  const hashKey = keys.derive(keyPurposes.idempotency);
  const { createOrganization: operation } = operations;
  const idempotent =
    idempotencyKey === null ? null : describeRequest(hashKey, idempotencyKey, operation, input);
  const repeated = () =>
    idempotent === null ? null : store.tenant(context, (tx) => findAnswer(tx, now, idempotent));
  const before = await repeated();
  if (before) return before.answer as Organization;
  try {
    return await store.tenant(context, async (tx) => {
      const { name, description, plan } = body;
      await createOrganization(tx, { keys, now }, { name, description: description ?? '', plan });
      if (idempotent !== null) await takeKey(tx, now, idempotent);
      const links = {
        websiteUrl: body.website_url,
        repository: body.repository,
        logoUrl: body.logo_url,
        iconUrl: body.icon_url,
      };
      const row = await updateOrganization(tx, now, defined(links));
      const answer = await organizationWire(tx, row);
      if (idempotent !== null) await keepAnswer(tx, idempotent, answer);
      return answer;
    });
  } catch (error) {
    // The id is taken: by a request with the same key that committed meanwhile, or long ago.
    const after = await repeated();
    if (after) return after.answer as Organization;
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
