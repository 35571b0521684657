import type { OrganizationId, PrincipalId } from '@pilotfish/kernel';
import type { TenantContext } from '@pilotfish/store';

/** The principal in whose name the platform itself acts; made by the first migration run. */
const systemPrincipalId = '00000000-0000-7000-8000-000000000001' as PrincipalId;

/** A tenant context for work that no request caused. `name` is what the history shows. */
export function systemContext(
  organizationId: OrganizationId,
  name: string,
  trace?: string | null,
): TenantContext {
  return {
    organizationId,
    actor: { principalId: systemPrincipalId, kind: 'system', name },
    ...(trace === undefined || trace === null ? {} : { trace }),
  };
}
