import { randomUUIDv7 } from 'node:crypto';
import type { ApplicationSpec } from '@pilotfish/contracts';
import type {
  ApplicationDeploymentRestriction,
  ApplicationDeploymentRestrictionRequest,
} from '@pilotfish/contracts/http';
import { Fault, type ServiceId } from '@pilotfish/kernel';
import { appendAudit, getService, type TenantTransaction, updateService } from '@pilotfish/store';
import type { Handlers } from '../api/call.ts';
import { instantText } from './wire.ts';

type PathFilter = ApplicationSpec['pathFilters'][number];

/** Restrictions of one application. */
const restrictionsMax = 100;

/** They live inside the application's spec, with what the API shows of them. */
function restrictionWire(filter: PathFilter): ApplicationDeploymentRestriction {
  return {
    id: String(filter.id),
    created_at: String(filter.createdAt),
    updated_at: String(filter.updatedAt),
    mode: filter.mode,
    type: 'PATH',
    value: filter.path,
  };
}

function isSame(filter: PathFilter, request: ApplicationDeploymentRestrictionRequest): boolean {
  return filter.mode === request.mode && filter.path === request.value;
}

/** Replaces an application's restrictions by what `change` makes of them. */
async function changeFilters(
  tx: TenantTransaction,
  now: Temporal.Instant,
  applicationId: ServiceId,
  change: (filters: readonly PathFilter[]) => readonly PathFilter[],
): Promise<void> {
  const service = await getService(tx, applicationId);
  const pathFilters = [...change(service.spec.pathFilters)];
  await updateService(tx, now, service, { spec: { ...service.spec, pathFilters } });
  await appendAudit(tx, now, {
    action: 'application.deployment_restrictions_edited',
    targetKind: 'application',
    targetId: applicationId,
    detail: { restrictions: pathFilters.map(({ mode, path }) => `${mode} ${path}`) },
  });
}

function assertNew(
  filters: readonly PathFilter[],
  request: ApplicationDeploymentRestrictionRequest,
): void {
  if (filters.some((filter) => isSame(filter, request))) {
    throw new Fault('conflict', `There is such a restriction on ${request.value} already`);
  }
}

/** @throws Fault `not_found` */
function findFilter(filters: readonly PathFilter[], id: string): PathFilter {
  const found = filters.find((filter) => filter.id === id);
  if (found === undefined) throw new Fault('not_found', 'There is no such deployment restriction');
  return found;
}

export const deploymentRestrictionRoutes: Handlers<
  | 'getApplicationDeploymentRestrictions'
  | 'createApplicationDeploymentRestriction'
  | 'editApplicationDeploymentRestriction'
  | 'deleteApplicationDeploymentRestriction'
> = {
  async getApplicationDeploymentRestrictions({ params, read }) {
    const { spec } = await read((tx) => getService(tx, params.applicationId));
    return { results: spec.pathFilters.map(restrictionWire) };
  },

  async createApplicationDeploymentRestriction({ params, body, write, now }) {
    const at = instantText(now);
    const filter: PathFilter = {
      mode: body.mode,
      path: body.value,
      id: randomUUIDv7(),
      createdAt: at,
      updatedAt: at,
    };
    return await write(async (tx) => {
      await changeFilters(tx, now, params.applicationId, (filters) => {
        assertNew(filters, body);
        if (filters.length >= restrictionsMax) {
          throw new Fault(
            'quota_exceeded',
            `An application has at most ${restrictionsMax} of them`,
          );
        }
        return [...filters, filter];
      });
      return restrictionWire(filter);
    });
  },

  async editApplicationDeploymentRestriction({ params, body, write, now }) {
    return await write(async (tx) => {
      const { spec } = await getService(tx, params.applicationId);
      const before = findFilter(spec.pathFilters, params.deploymentRestrictionId);
      const edited: PathFilter = {
        ...before,
        mode: body.mode,
        path: body.value,
        updatedAt: instantText(now),
      };
      await changeFilters(tx, now, params.applicationId, (filters) => {
        assertNew(
          filters.filter(({ id }) => id !== before.id),
          body,
        );
        return filters.map((filter) => (filter.id === before.id ? edited : filter));
      });
      return restrictionWire(edited);
    });
  },

  async deleteApplicationDeploymentRestriction({ params, write, now }) {
    return await write(async (tx) => {
      await changeFilters(tx, now, params.applicationId, (filters) => {
        const gone = findFilter(filters, params.deploymentRestrictionId);
        return filters.filter((filter) => filter !== gone);
      });
      return undefined;
    });
  },
};
