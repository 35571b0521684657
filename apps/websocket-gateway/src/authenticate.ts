import type { IncomingHttpHeaders } from 'node:http';
import type { Permission } from '@pilotfish/contracts';
import { hashToken } from '@pilotfish/crypto';
import { type Clock, Fault, type OrganizationId } from '@pilotfish/kernel';
import { type Caller, findCaller, type Store, type TenantContext } from '@pilotfish/store';

const protocolPrefix = 'auth.bearer.';
const tokenCharactersMax = 8192;

/**
 * The token of an upgrade request: `Authorization: Token …` or `Bearer …`, or, for browsers, which
 * cannot set headers here, the subprotocol `auth.bearer.<token>` beside `v1`. Never from the
 * address, which ends up in logs.
 */
export function tokenOf(headers: IncomingHttpHeaders): string | null {
  const [scheme = '', value = ''] = (headers.authorization ?? '').split(' ', 2);
  if (/^(token|bearer)$/i.test(scheme)) return bounded(value);
  const offered = (headers['sec-websocket-protocol'] ?? '').split(',').map((one) => one.trim());
  const auth = offered.find((one) => one.startsWith(protocolPrefix));
  return auth === undefined ? null : bounded(auth.slice(protocolPrefix.length));
}

function bounded(token: string): string | null {
  return token.length > 0 && token.length <= tokenCharactersMax ? token : null;
}

/** May the bearer do this in that organization? */
export type Authorize = (
  token: string | null,
  organizationId: OrganizationId,
  permission: Permission,
) => Promise<TenantContext>;

/**
 * Throws a Fault `unauthenticated`, `forbidden`, or `not_found` for an organization of others, so
 * that ids cannot be probed.
 */
export function createAuthorize(store: Store, clock: Clock): Authorize {
  return async (token, organizationId, permission) => {
    if (token === null) {
      throw new Fault('unauthenticated', 'This needs an API token: Authorization: Token qov_…');
    }
    const hash = hashToken(token);
    const caller = await store.system('authenticator', (tx) => findCaller(tx, hash, clock.now()));
    if (caller === null) {
      throw new Fault('unauthenticated', 'The token is not known, has expired or was revoked');
    }
    return { organizationId, actor: checkMembership(caller, organizationId, permission) };
  };
}

function checkMembership(caller: Caller, organizationId: OrganizationId, permission: Permission) {
  const membership = caller.memberships.find((one) => one.organizationId === organizationId);
  if (membership === undefined) throw new Fault('not_found', 'There is no such organization');
  if (!membership.permissions.has(permission)) {
    throw new Fault('forbidden', `This needs the permission ${permission}`);
  }
  const { principalId, kind, name } = caller;
  return { principalId, kind, name };
}
