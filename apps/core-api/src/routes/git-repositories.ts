import type { GitRepository } from '@pilotfish/contracts/http';
import { Fault } from '@pilotfish/kernel';
import {
  appendAudit,
  countRepositories,
  deleteRepository,
  findManagedWebhook,
  getRepository,
  insertRepository,
  listRepositories,
  type RepositoryRow,
} from '@pilotfish/store';
import type { ApiDeps, Handlers } from '../api/call.ts';
import { assertBelow, quotas } from '../api/quotas.ts';
import { contextFor } from '../api/tenant.ts';
import { timesOf } from './wire.ts';

function repositoryWire(row: RepositoryRow, urls: ApiDeps['urls']): GitRepository {
  return {
    id: row.id,
    ...timesOf(row),
    name: row.name,
    default_branch: row.defaultBranch,
    url: `${urls.git}/${row.organizationId}/${row.name}.git`,
  };
}

export const gitRepositoryRoutes: Handlers<
  | 'listGitRepositories'
  | 'createGitRepository'
  | 'getGitRepository'
  | 'deleteGitRepository'
  | 'getGitRepositoryAccess'
> = {
  async listGitRepositories({ read }, { urls }) {
    const rows = await read((tx) => listRepositories(tx, quotas.repositoriesPerOrganization));
    return { results: rows.map((row) => repositoryWire(row, urls)) };
  },

  async createGitRepository({ body, write, now }, { urls }) {
    return await write(async (tx) => {
      assertBelow('repositoriesPerOrganization', await countRepositories(tx));
      const row = await insertRepository(tx, now, {
        name: body.name,
        defaultBranch: body.default_branch ?? 'main',
      });
      await appendAudit(tx, now, {
        action: 'repository.created',
        targetKind: 'repository',
        targetId: row.id,
        detail: { name: row.name },
      });
      return repositoryWire(row, urls);
    });
  },

  async getGitRepository({ params, read }, { urls }) {
    return repositoryWire(await read((tx) => getRepository(tx, { id: params.repositoryId })), urls);
  },

  async deleteGitRepository({ params, write, now }) {
    return await write(async (tx) => {
      await deleteRepository(tx, now, params.repositoryId);
      await appendAudit(tx, now, {
        action: 'repository.deleted',
        targetKind: 'repository',
        targetId: params.repositoryId,
      });
      return undefined;
    });
  },

  async getGitRepositoryAccess({ query, principal, trace }, { store }) {
    if (principal === null) throw new Fault('unauthenticated', 'Send a valid API token');
    const permission = query.operation === 'read' ? 'repository:read' : 'repository:write';
    const context = contextFor(principal, query.organization, permission, trace, 'repository');
    return await store.tenant(context, async (tx) => {
      const row = await getRepository(tx, { name: query.name });
      const webhook = await findManagedWebhook(tx);
      if (webhook === null) {
        throw new Fault('internal', 'Something went wrong on our side', {
          internal: `organization ${row.organizationId} has no managed webhook`,
        });
      }
      return {
        repository_id: row.id,
        organization_id: row.organizationId,
        name: row.name,
        default_branch: row.defaultBranch,
        incoming_webhook_id: webhook.id,
        principal: { id: principal.id, name: principal.name },
      };
    });
  },
};
