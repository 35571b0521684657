import type { GitTokenRequest, GitTokenResponse } from '@pilotfish/contracts/http';
import { coversRepository } from '@pilotfish/domain-deploy';
import { Fault, type GitTokenId, limits, newId } from '@pilotfish/kernel';
import {
  type AssociatedService,
  appendAudit,
  countGitTokens,
  findGitToken,
  type GitTokenRow,
  insertGitToken,
  listGitTokens,
  listServicesOfGitToken,
  lockGitToken,
  makeRegistrationsDue,
  type NewGitToken,
  type TenantTransaction,
  updateGitToken,
} from '@pilotfish/store';
import type { ApiDeps, Handlers } from '../api/call.ts';
import { assertBelow, quotas } from '../api/quotas.ts';
import { apiUrlOf } from '../git-tokens/api-url.ts';
import { endGitToken } from '../git-tokens/delete-git-token.ts';
import { encryptGitToken } from '../git-tokens/git-token-text.ts';
import { readGitWebhook } from '../handlers/read-git-webhook.ts';
import { syncGitWebhook } from '../handlers/sync-git-webhook.ts';
import { providerWire, timesOf } from './wire.ts';

function gitTokenWire(row: GitTokenRow, serviceCount: number): GitTokenResponse {
  return {
    id: row.id,
    ...timesOf(row),
    name: row.name,
    description: row.description,
    type: row.type,
    ...(row.workspace === null ? {} : { workspace: row.workspace }),
    associated_services_count: serviceCount,
    git_api_url: row.apiUrl,
  };
}

type Described = Pick<NewGitToken, 'name' | 'description' | 'type' | 'apiUrl' | 'workspace'>;

/** @throws Fault `invalid_input` naming the field */
function described(body: GitTokenRequest, { addressGuard }: ApiDeps): Described {
  const { name, description = '', type, workspace = '' } = body;
  if (type === 'BITBUCKET' && workspace === '') {
    throw new Fault('invalid_input', 'workspace: a token of Bitbucket belongs to one');
  }
  const apiUrl = apiUrlOf(body, addressGuard);
  return { name, description, type, apiUrl, workspace: workspace === '' ? null : workspace };
}

/** @throws Fault `conflict` naming the services that the token would no longer serve */
function assertStillCovered(
  scope: Pick<Described, 'type' | 'apiUrl'>,
  users: readonly AssociatedService[],
): void {
  const left = users.filter(({ service }) => !coversRepository(scope, service.spec.git.url));
  if (left.length === 0) return;
  throw new Fault(
    'conflict',
    `The repositories of ${namesOf(left)} are not at ${scope.apiUrl}: give those services another token first`,
  );
}

/** @throws Fault `conflict` naming the services that say they are of the type before */
function assertTypeUnused(type: Described['type'], users: readonly AssociatedService[]): void {
  const left = users.filter(({ service }) => providerWire(service.spec.git.provider) !== type);
  if (left.length === 0) return;
  throw new Fault(
    'conflict',
    `${namesOf(left)} are read with this token, and their git_repository.provider is not ${type}: give those services another token first`,
  );
}

function namesOf(users: readonly AssociatedService[]): string {
  const named = users
    .slice(0, 10)
    .map(
      ({ project, environment, service }) => `${project.name}/${environment.name}/${service.name}`,
    );
  const more = users.length - named.length;
  return `${named.join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

async function getGitToken(tx: TenantTransaction, id: GitTokenId): Promise<GitTokenResponse> {
  const found = await findGitToken(tx, id);
  if (found === null) throw new Fault('not_found', 'There is no such Git token');
  return gitTokenWire(found.token, found.serviceCount);
}

export const gitTokenRoutes: Handlers<
  | 'listOrganizationGitTokens'
  | 'createGitToken'
  | 'getOrganizationGitToken'
  | 'editGitToken'
  | 'deleteGitToken'
  | 'getGitTokenAssociatedServices'
  | 'getServiceGitWebhookStatus'
  | 'syncServiceGitWebhook'
> = {
  async listOrganizationGitTokens({ read }) {
    const rows = await read((tx) => listGitTokens(tx, quotas.gitTokensPerOrganization));
    return { results: rows.map(({ token, serviceCount }) => gitTokenWire(token, serviceCount)) };
  },

  async createGitToken({ body, write, now }, deps) {
    const fields = described(body, deps);
    const { keys } = deps;
    return await write(async (tx) => {
      assertBelow('gitTokensPerOrganization', await countGitTokens(tx));
      const id = newId<GitTokenId>();
      const { organizationId } = tx;
      const bound = { organizationId, id, tokenVersion: 1 };
      const tokenCiphertext = await encryptGitToken(keys, body.token, bound);
      const row = await insertGitToken(tx, now, { ...fields, id, tokenCiphertext });
      await appendAudit(tx, now, {
        action: 'git_token.created',
        targetKind: 'git_token',
        targetId: id,
        detail: { name: row.name, type: row.type, apiUrl: row.apiUrl },
      });
      return gitTokenWire(row, 0);
    });
  },

  async getOrganizationGitToken({ params, read }) {
    return await read((tx) => getGitToken(tx, params.gitTokenId));
  },

  async editGitToken({ params, body, write, now }, deps) {
    const fields = described(body, deps);
    const { keys } = deps;
    return await write(async (tx) => {
      const before = await lockGitToken(tx, params.gitTokenId, 'update');
      const users = await listServicesOfGitToken(tx, before.id, limits.listRowsMax);
      if (fields.type !== before.type) assertTypeUnused(fields.type, users);
      assertStillCovered(fields, users);
      const tokenVersion = before.tokenVersion + 1;
      const tokenCiphertext = await encryptGitToken(keys, body.token, { ...before, tokenVersion });
      const row = await updateGitToken(tx, now, before.id, {
        ...fields,
        tokenCiphertext,
        tokenVersion,
      });
      await makeRegistrationsDue(tx, now, row.id);
      await appendAudit(tx, now, {
        action: 'git_token.edited',
        targetKind: 'git_token',
        targetId: row.id,
        detail: { name: row.name, type: row.type, apiUrl: row.apiUrl },
      });
      return await getGitToken(tx, row.id);
    });
  },

  async deleteGitToken({ params, write, now }) {
    return await write(async (tx) => {
      const row = await lockGitToken(tx, params.gitTokenId, 'update');
      const users = await listServicesOfGitToken(tx, row.id, limits.listRowsMax);
      if (users.length > 0) {
        throw new Fault(
          'conflict',
          `Services are read with this token: ${namesOf(users)}. Give them another one first`,
        );
      }
      await endGitToken(tx, now, row);
      return undefined;
    });
  },

  getServiceGitWebhookStatus: readGitWebhook,
  syncServiceGitWebhook: syncGitWebhook,

  async getGitTokenAssociatedServices({ params, read }) {
    const users = await read(async (tx) => {
      await getGitToken(tx, params.gitTokenId);
      return await listServicesOfGitToken(tx, params.gitTokenId, limits.listRowsMax);
    });
    return {
      results: users.map(({ service, environment, project }) => ({
        project_id: project.id,
        project_name: project.name,
        environment_id: environment.id,
        environment_name: environment.name,
        service_id: service.id,
        service_name: service.name,
        service_type: 'APPLICATION' as const,
      })),
    };
  },
};
