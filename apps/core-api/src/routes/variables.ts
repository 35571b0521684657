import { createHash } from 'node:crypto';
import type { VariableResponse, VariableScope } from '@pilotfish/contracts/http';
import { encryptValue } from '@pilotfish/crypto';
import {
  type EnvironmentId,
  Fault,
  newId,
  type ProjectId,
  type ServiceId,
  type VariableId,
} from '@pilotfish/kernel';
import {
  appendAudit,
  countVariables,
  type EnvironmentRow,
  getEnvironment,
  getProject,
  getService,
  insertVariable,
  listVariables,
  lockVariable,
  markReadersOutOfDate,
  type ServiceRow,
  type StoredValue,
  type TenantTransaction,
  updateVariable,
  type VariablePlace,
  type VariableRow,
} from '@pilotfish/store';
import type { ApiDeps, Handlers } from '../api/call.ts';
import { assertBelow, quotas } from '../api/quotas.ts';
import { builtInVariables } from '../executions/snapshot-release.ts';
import { instantText, timesOf } from './wire.ts';

function variableWire(
  row: VariableRow,
  value: string | null,
  serviceName: string | null,
): VariableResponse {
  return {
    id: row.id,
    ...timesOf(row),
    key: row.key,
    value: row.isSecret ? null : value,
    mount_path: null,
    scope: row.scope,
    variable_type: 'VALUE',
    ...(row.serviceId && { service_id: row.serviceId, service_type: 'APPLICATION' as const }),
    ...(serviceName === null ? {} : { service_name: serviceName }),
    owned_by: 'QOVERY',
    is_secret: row.isSecret,
    description: row.description,
    enable_interpolation_in_file: false,
    secret_manager_access_id: null,
  };
}

/** A scope's place, with what stands there. */
interface Scope {
  readonly place: VariablePlace;
  readonly environment: EnvironmentRow | null;
  readonly service: ServiceRow | null;
}

/** @throws Fault `not_found` where the parent is deleted, `invalid_input` for another kind of scope */
async function openScope(
  tx: TenantTransaction,
  scope: VariableScope,
  parentId: string,
): Promise<Scope> {
  if (scope === 'PROJECT') {
    const { id } = await getProject(tx, parentId as ProjectId);
    const place = { projectId: id, environmentId: null, serviceId: null };
    return { place, environment: null, service: null };
  }
  if (scope !== 'ENVIRONMENT' && scope !== 'APPLICATION') {
    throw new Fault('invalid_input', `There are no services of scope ${scope} here`);
  }
  const service = scope === 'APPLICATION' ? await getService(tx, parentId as ServiceId) : null;
  const environmentId = service?.environmentId ?? (parentId as EnvironmentId);
  const { environment } = await getEnvironment(tx, environmentId);
  const place = {
    projectId: environment.projectId,
    environmentId: environment.id,
    serviceId: service?.id ?? null,
  };
  return { place, environment, service };
}

/** What Pilotfish itself gives to an application: listed with the rest, under ids of their own. */
function builtInWire({ environment, service }: Scope): VariableResponse[] {
  if (environment === null || service === null) return [];
  const values = builtInVariables(environment, service, service.lastRequestedSha ?? '');
  return Object.entries(values).map(([key, value]) => ({
    id: builtInId(service.id, key),
    created_at: instantText(service.createdAt),
    updated_at: instantText(service.updatedAt),
    key,
    value,
    mount_path: null,
    scope: 'BUILT_IN',
    variable_type: 'BUILT_IN',
    service_id: service.id,
    service_name: service.name,
    service_type: 'APPLICATION',
    owned_by: 'QOVERY',
    is_secret: false,
    description: '',
    enable_interpolation_in_file: false,
    secret_manager_access_id: null,
  }));
}

/** The same id for the same service and name, in the form of a UUIDv8. */
function builtInId(serviceId: string, key: string): string {
  const hex = createHash('sha256').update(`built-in\n${serviceId}\n${key}`).digest('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

/** Better refused than accepted and ignored. */
function refuseUnsupported(body: {
  readonly mount_path?: string | null;
  readonly enable_interpolation_in_file?: boolean | null;
  readonly secret_manager_access_id?: string | null;
}): void {
  if (body.mount_path) throw new Fault('invalid_input', 'mount_path: files are not available');
  if (body.enable_interpolation_in_file) {
    throw new Fault('invalid_input', 'enable_interpolation_in_file: files are not available');
  }
  if (body.secret_manager_access_id) {
    throw new Fault('invalid_input', 'secret_manager_access_id: there are no secret managers');
  }
}

function refuseBuiltInName(key: string): void {
  if (key.startsWith('QOVERY_')) {
    throw new Fault('invalid_input', 'key: names that begin with QOVERY_ belong to the platform');
  }
}

/** The value as it is stored: a secret only as ciphertext, bound to its row and version. */
async function store(
  tx: TenantTransaction,
  { keys }: ApiDeps,
  variable: { readonly id: VariableId; readonly isSecret: boolean },
  version: number,
  value: string,
): Promise<StoredValue> {
  if (!variable.isSecret) return { value, ciphertext: null };
  const ciphertext = await encryptValue(keys, value, {
    organizationId: tx.organizationId,
    row: `variables/${variable.id}`,
    version,
  });
  return { value: null, ciphertext };
}

/** The value as the API shows it. */
async function shownValue(tx: TenantTransaction, row: VariableRow): Promise<VariableResponse> {
  const rows = await listVariables(tx, row, quotas.variablesPerScope * 3);
  const found = rows.find(({ variable }) => variable.id === row.id);
  return variableWire(row, found?.value ?? null, found?.serviceName ?? null);
}

export const variableRoutes: Handlers<
  'listVariables' | 'createVariable' | 'editVariable' | 'deleteVariable'
> = {
  async listVariables({ query, read }) {
    return await read(async (tx) => {
      const scope = await openScope(tx, query.scope, query.parent_id);
      const rows = await listVariables(tx, scope.place, quotas.variablesPerScope * 3);
      const results = [
        ...builtInWire(scope),
        ...rows.map(({ variable, value, serviceName }) =>
          variableWire(variable, value, serviceName),
        ),
      ];
      const { is_secret: wanted } = query;
      return { results: results.filter((one) => wanted === undefined || one.is_secret === wanted) };
    });
  },

  async createVariable({ body, write, now }, deps) {
    refuseUnsupported(body);
    refuseBuiltInName(body.key);
    return await write(async (tx) => {
      const { place, service } = await openScope(tx, body.variable_scope, body.variable_parent_id);
      assertBelow('variablesPerScope', await countVariables(tx, body.variable_parent_id));
      const id = newId<VariableId>();
      const row = await insertVariable(
        tx,
        now,
        {
          ...place,
          id,
          key: body.key,
          scope: body.variable_scope as VariableRow['scope'],
          isSecret: body.is_secret,
          description: body.description ?? '',
        },
        await store(tx, deps, { id, isSecret: body.is_secret }, 1, body.value),
      );
      await markReadersOutOfDate(tx, place);
      await appendAudit(tx, now, {
        action: 'variable.created',
        targetKind: 'variable',
        targetId: id,
        detail: { key: row.key, scope: row.scope, isSecret: row.isSecret },
      });
      return variableWire(row, body.value, service?.name ?? null);
    });
  },

  async editVariable({ params, body, write, now }, deps) {
    refuseUnsupported(body);
    return await write(async (tx) => {
      const before = await lockVariable(tx, params.variableId);
      if (body.key !== before.key) refuseBuiltInName(body.key);
      const { value = null, description } = body;
      const stored =
        value === null ? null : await store(tx, deps, before, before.currentVersion + 1, value);
      const change = {
        key: body.key,
        ...(typeof description === 'string' ? { description } : {}),
      };
      const row = await updateVariable(tx, now, before, change, stored);
      await markReadersOutOfDate(tx, row);
      await appendAudit(tx, now, {
        action: 'variable.edited',
        targetKind: 'variable',
        targetId: row.id,
        detail: { key: row.key, valueChanged: stored !== null },
      });
      return await shownValue(tx, row);
    });
  },

  async deleteVariable({ params, write, now }) {
    return await write(async (tx) => {
      const before = await lockVariable(tx, params.variableId);
      await updateVariable(tx, now, before, { deletedAt: now }, null);
      await markReadersOutOfDate(tx, before);
      await appendAudit(tx, now, {
        action: 'variable.deleted',
        targetKind: 'variable',
        targetId: before.id,
        detail: { key: before.key },
      });
      return undefined;
    });
  },
};
