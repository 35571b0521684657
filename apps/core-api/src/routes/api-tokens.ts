import type { Permission } from '@pilotfish/contracts';
import type { OrganizationApiToken } from '@pilotfish/contracts/http';
import { hashToken, newToken } from '@pilotfish/crypto';
import type { Principal } from '@pilotfish/http';
import { Fault } from '@pilotfish/kernel';
import {
  type ApiTokenRow,
  appendAudit,
  findRole,
  insertApiToken,
  listApiTokens,
  type RoleRow,
  revokeApiToken,
  type TenantTransaction,
} from '@pilotfish/store';
import type { Handlers } from '../api/call.ts';
import { assertBelow, quotas } from '../api/quotas.ts';
import { instantText, timesOf } from './wire.ts';

function tokenWire(row: ApiTokenRow, roleName: string): OrganizationApiToken {
  return {
    id: row.id,
    ...timesOf(row),
    name: row.name,
    description: row.description,
    role_id: row.roleId,
    role_name: roleName,
    expires_at: row.expiresAt && instantText(row.expiresAt),
  };
}

/**
 * The role of a new token: the one asked for, else Admin.
 *
 * @throws Fault `forbidden` for a role that allows more than the caller's own
 */
async function chooseRole(
  tx: TenantTransaction,
  principal: Principal,
  roleId: string | null,
): Promise<RoleRow> {
  const role = await findRole(tx, roleId === null ? { name: 'Admin' } : { id: roleId });
  if (role === null) throw new Fault('invalid_input', 'role_id: there is no such role');
  const membership = principal.memberships.find((m) => m.organizationId === tx.organizationId);
  const beyond = role.permissions.filter((p) => !membership?.permissions.has(p as Permission));
  if (beyond.length > 0) {
    throw new Fault('forbidden', `The role ${role.name} allows more than yours: ${beyond.join()}`);
  }
  return role;
}

export const apiTokenRoutes: Handlers<
  'listOrganizationApiTokens' | 'createOrganizationApiToken' | 'deleteOrganizationApiToken'
> = {
  async listOrganizationApiTokens({ query, read }) {
    const rows = await read((tx) => listApiTokens(tx, query, quotas.apiTokensPerOrganization));
    return {
      results: rows.map(({ token, roleName }) => ({
        ...tokenWire(token, roleName),
        last_used_at: token.lastUsedAt && instantText(token.lastUsedAt),
      })),
    };
  },

  async createOrganizationApiToken({ body, principal, write, now }) {
    const expiresAt = body.expires_at ? Temporal.Instant.from(body.expires_at) : null;
    if (expiresAt && Temporal.Instant.compare(expiresAt, now) <= 0) {
      throw new Fault('invalid_input', 'expires_at: lies in the past');
    }
    return await write(async (tx) => {
      const present = await listApiTokens(tx, {}, quotas.apiTokensPerOrganization);
      assertBelow('apiTokensPerOrganization', present.length);
      const role = await chooseRole(tx, principal, body.role_id);
      const token = newToken('qov_');
      const row = await insertApiToken(tx, now, {
        name: body.name,
        description: body.description ?? '',
        roleId: role.id,
        tokenHash: hashToken(token),
        expiresAt,
      });
      await appendAudit(tx, now, {
        action: 'api_token.created',
        targetKind: 'api_token',
        targetId: row.id,
        detail: { name: row.name, role: role.name },
      });
      return { ...tokenWire(row, role.name), token };
    });
  },

  async deleteOrganizationApiToken({ params, write, now }) {
    return await write(async (tx) => {
      await revokeApiToken(tx, now, params.apiTokenId);
      await appendAudit(tx, now, {
        action: 'api_token.revoked',
        targetKind: 'api_token',
        targetId: params.apiTokenId,
      });
      return undefined;
    });
  },
};
