import type { Permission } from '@pilotfish/contracts';
import type { Operation, TenantResource } from '@pilotfish/contracts/http';
import type { Principal } from '@pilotfish/http';
import { assert, Fault, type OrganizationId, unreachable } from '@pilotfish/kernel';
import { locateOrganization, type Store, type TenantContext } from '@pilotfish/store';

/** What a parsed request says about where its tenant is to be found. */
export interface TenantInput {
  readonly params: unknown;
  readonly query: unknown;
  readonly body: unknown;
}

/** The resource through which the tenant is found. */
interface Anchor {
  readonly resource: TenantResource;
  readonly id: string;
}

/**
 * The tenant of a request whose principal may do what the operation needs.
 *
 * @throws Fault `not_found` where the resource does not exist or belongs to an organization that
 * the principal is no member of, so that ids cannot be probed; `forbidden` for a member whose role
 * does not allow it
 */
export async function enterTenantOf(
  store: Store,
  operation: Operation,
  input: TenantInput,
  principal: Principal,
  trace: string,
): Promise<TenantContext> {
  const anchor = anchorOf(operation, input);
  const organizationId = await organizationOf(store, anchor, principal);
  const { permission } = operation;
  assert(typeof permission === 'string', 'an operation with a tenant has a permission');
  return contextFor(principal, organizationId, permission, trace, anchor.resource);
}

/**
 * Asks the database only where the answer is open: somebody with one organization can mean no other,
 * and what does not exist there is not found by the handler, inside that tenant.
 */
async function organizationOf(
  store: Store,
  { resource, id }: Anchor,
  { memberships }: Principal,
): Promise<OrganizationId | null> {
  if (resource === 'organization') return id as OrganizationId;
  const [only, ...others] = memberships;
  if (only !== undefined && others.length === 0) return only.organizationId;
  return await store.system('authenticator', (tx) => locateOrganization(tx, resource, id));
}

/** As `enterTenantOf`, where the organization is known. */
export function contextFor(
  principal: Principal,
  organizationId: OrganizationId | null,
  permission: Permission,
  trace: string,
  resource: TenantResource = 'organization',
): TenantContext {
  const membership = principal.memberships.find((one) => one.organizationId === organizationId);
  if (membership === undefined) {
    throw new Fault('not_found', `There is no such ${resource.replace('_', ' ')}`);
  }
  if (!membership.permissions.has(permission)) {
    throw new Fault('forbidden', `Your role, ${membership.role}, does not include ${permission}`);
  }
  return {
    organizationId: membership.organizationId,
    actor: { principalId: principal.id, kind: principal.kind, name: principal.name },
    trace,
  };
}

function anchorOf(operation: Operation, input: TenantInput): Anchor {
  const { tenant } = operation;
  if ('param' in tenant) {
    const [id] = Object.values(input.params as Record<string, string>);
    assert(id !== undefined, `${operation.operationId} has a parameter`);
    return { resource: tenant.param, id };
  }
  if ('parent' in tenant) {
    if (tenant.parent === 'query') {
      const query = input.query as { scope: string; parent_id: string };
      return { resource: scopeResource(query.scope), id: query.parent_id };
    }
    if (tenant.parent === 'body') {
      const body = input.body as { variable_scope: string; variable_parent_id: string };
      return { resource: scopeResource(body.variable_scope), id: body.variable_parent_id };
    }
    return unreachable(tenant.parent);
  }
  throw new Fault('internal', 'Something went wrong on our side', {
    internal: `${operation.operationId} has no tenant to enter`,
  });
}

function scopeResource(scope: string): TenantResource {
  switch (scope) {
    case 'PROJECT':
      return 'project';
    case 'ENVIRONMENT':
      return 'environment';
    case 'APPLICATION':
      return 'application';
    default:
      throw new Fault('invalid_input', `There are no services of scope ${scope} here`);
  }
}
