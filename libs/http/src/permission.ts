import type { Permission } from '@pilotfish/contracts';
import type { OrganizationId, PrincipalId } from '@pilotfish/kernel';

/**
 * Who may call a route. A permission of the roles; or any known principal, because the answer
 * itself is cut to what that principal may see; or everybody. The latter two say why.
 */
export type RoutePermission =
  | Permission
  | { readonly authenticated: string }
  | { readonly public: string };

/** What a principal may do in one organization. */
export interface Membership {
  readonly organizationId: OrganizationId;
  readonly role: string;
  readonly permissions: ReadonlySet<Permission>;
}

/** Who makes a request, as authentication found it. */
export interface Principal {
  readonly id: PrincipalId;
  readonly kind: 'user' | 'token' | 'engine' | 'system';
  readonly name: string;
  readonly memberships: readonly Membership[];
}

/** True where the request needs no principal. */
export function isPublic(permission: RoutePermission): boolean {
  return typeof permission === 'object' && 'public' in permission;
}
