import type { EnvironmentId, ProjectId, ServiceId, VariableId } from '@pilotfish/kernel';
import { and, eq, inArray, isNull, or } from 'drizzle-orm';
import { variables, variableVersions } from '../schema/variables.ts';
import type { TenantTransaction } from '../transactions.ts';

/** One name as a service sees it; `value` is null for a secret. */
export interface VisibleVariable {
  readonly variableId: VariableId;
  readonly key: string;
  readonly version: number;
  readonly isSecret: boolean;
  readonly value: string | null;
  readonly serviceId: ServiceId | null;
}

const width = { PROJECT: 0, ENVIRONMENT: 1, APPLICATION: 2 } as const;

/**
 * The variables of an environment's services, per name only the narrowest that the service sees.
 *
 * @returns per service, and under null those that every service sees
 */
export async function listVisibleVariables(
  tx: TenantTransaction,
  scope: { readonly projectId: ProjectId; readonly environmentId: EnvironmentId },
): Promise<(serviceId: ServiceId) => readonly VisibleVariable[]> {
  const rows = await tx.db
    .select({ variable: variables, version: variableVersions })
    .from(variables)
    .innerJoin(
      variableVersions,
      and(
        eq(variableVersions.variableId, variables.id),
        eq(variableVersions.number, variables.currentVersion),
      ),
    )
    .where(
      and(
        eq(variables.organizationId, tx.organizationId),
        eq(variables.projectId, scope.projectId),
        or(isNull(variables.environmentId), eq(variables.environmentId, scope.environmentId)),
        isNull(variables.deletedAt),
      ),
    );
  rows.sort((a, b) => width[a.variable.scope] - width[b.variable.scope]);
  return (serviceId) => {
    const byKey = new Map<string, VisibleVariable>();
    for (const { variable, version } of rows) {
      if (variable.serviceId !== null && variable.serviceId !== serviceId) continue;
      byKey.set(variable.key, {
        variableId: variable.id,
        key: variable.key,
        version: version.number,
        isSecret: variable.isSecret,
        value: version.value,
        serviceId: variable.serviceId,
      });
    }
    return [...byKey.values()];
  };
}

/** Ciphertexts of exactly the named versions, under `variableId/number`. */
export async function loadCiphertexts(
  tx: TenantTransaction,
  wanted: readonly { readonly variableId: VariableId; readonly version: number }[],
): Promise<ReadonlyMap<string, Uint8Array>> {
  if (wanted.length === 0) return new Map();
  const rows = await tx.db
    .select()
    .from(variableVersions)
    .where(
      and(
        eq(variableVersions.organizationId, tx.organizationId),
        inArray(variableVersions.variableId, [...new Set(wanted.map((w) => w.variableId))]),
      ),
    );
  const named = new Set(wanted.map((w) => `${w.variableId}/${w.version}`));
  const found = new Map<string, Uint8Array>();
  for (const row of rows) {
    const name = `${row.variableId}/${row.number}`;
    if (row.ciphertext !== null && named.has(name)) found.set(name, row.ciphertext);
  }
  return found;
}
