import type { Project } from '@pilotfish/contracts/http';
import { Fault } from '@pilotfish/kernel';
import {
  appendAudit,
  countEnvironments,
  countProjects,
  getProject,
  insertProject,
  listProjects,
  lockProject,
  type ProjectRow,
  updateProject,
} from '@pilotfish/store';
import type { Handlers } from '../api/call.ts';
import { assertBelow, quotas } from '../api/quotas.ts';
import { defined, timesOf } from './wire.ts';

function projectWire(row: ProjectRow, environmentCount: number): Project {
  return {
    id: row.id,
    ...timesOf(row),
    name: row.name,
    description: row.description,
    associated_environments_count: environmentCount,
    organization: { id: row.organizationId },
  };
}

export const projectRoutes: Handlers<
  'listProject' | 'createProject' | 'getProject' | 'editProject' | 'deleteProject'
> = {
  async listProject({ read }) {
    const rows = await read((tx) => listProjects(tx, quotas.projectsPerOrganization));
    return {
      results: rows.map(({ project, environmentCount }) => projectWire(project, environmentCount)),
    };
  },

  async createProject({ body, write, now }) {
    return await write(async (tx) => {
      assertBelow('projectsPerOrganization', await countProjects(tx));
      const { name, description = '' } = body;
      const row = await insertProject(tx, now, { name, description });
      await appendAudit(tx, now, {
        action: 'project.created',
        targetKind: 'project',
        targetId: row.id,
        detail: { name },
      });
      return projectWire(row, 0);
    });
  },

  async getProject({ params, read }) {
    return await read(async (tx) => {
      const row = await getProject(tx, params.projectId);
      return projectWire(row, await countEnvironments(tx, row.id));
    });
  },

  async editProject({ params, body, write, now }) {
    return await write(async (tx) => {
      const row = await updateProject(tx, now, params.projectId, defined(body));
      await appendAudit(tx, now, {
        action: 'project.edited',
        targetKind: 'project',
        targetId: row.id,
      });
      return projectWire(row, await countEnvironments(tx, row.id));
    });
  },

  async deleteProject({ params, write, now }) {
    return await write(async (tx) => {
      // Locked: no environment is being created in it meanwhile.
      const { id } = await lockProject(tx, params.projectId);
      const left = await countEnvironments(tx, id);
      if (left > 0) {
        throw new Fault(
          'conflict',
          `The project still has ${left} environments: delete them first`,
        );
      }
      await updateProject(tx, now, id, { deletedAt: now });
      await appendAudit(tx, now, {
        action: 'project.deleted',
        targetKind: 'project',
        targetId: id,
      });
      return undefined;
    });
  },
};
