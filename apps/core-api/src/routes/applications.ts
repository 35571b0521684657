import type { ApplicationSpec, ServicePort } from '@pilotfish/contracts';
import type { Application, Link } from '@pilotfish/contracts/http';
import { coversRepository, repositoryKey } from '@pilotfish/domain-deploy';
import { Fault, shortId, toFault } from '@pilotfish/kernel';
import {
  appendAudit,
  countServices,
  findReleases,
  getEnvironment,
  getService,
  insertService,
  lastStage,
  listGitTokenNames,
  listServices,
  lockEnvironment,
  lockGitToken,
  newServiceId,
  type ServiceRow,
  type TenantTransaction,
  updateService,
} from '@pilotfish/store';
import type { ApiDeps, Handlers } from '../api/call.ts';
import { assertBelow, quotas } from '../api/quotas.ts';
import { changeApplicationSpec, newApplicationSpec, wireOf } from '../handlers/application-spec.ts';
import { deleteApplication } from '../handlers/delete-application.ts';
import { serviceUrl } from '../handlers/service-url.ts';
import { defined, providerWire, timesOf } from './wire.ts';

/** What is shown of a service and stands elsewhere. */
interface Beside {
  readonly deployedSha: string | undefined;
  readonly gitTokenName: string | null;
}

function repositoryWire(row: ServiceRow, { deployedSha, gitTokenName }: Beside) {
  const { url, provider, branch, rootPath } = row.spec.git;
  const parts = (repositoryKey(url) ?? url).split('/');
  return {
    provider: providerWire(provider),
    owner: parts.slice(1, -1).join('/'),
    url,
    name: parts.at(-1) ?? '',
    branch,
    root_path: rootPath,
    ...(deployedSha === undefined ? {} : { deployed_commit_id: deployedSha }),
    git_token_id: row.gitTokenId,
    git_token_name: gitTokenName,
  };
}

function portWire(port: ServicePort) {
  const { publicPath, publicPathRewrite } = port;
  return {
    id: port.id,
    name: port.name,
    internal_port: port.internalPort,
    ...(port.externalPort === undefined ? {} : { external_port: port.externalPort }),
    publicly_accessible: port.public,
    is_default: port.isDefault,
    protocol: 'HTTP' as const,
    ...(typeof publicPath === 'string' ? { public_path: publicPath } : {}),
    ...(typeof publicPathRewrite === 'string' ? { public_path_rewrite: publicPathRewrite } : {}),
  };
}

function applicationWire(row: ServiceRow, beside: Beside): Application {
  const { spec } = row;
  const { healthchecks = {}, build_mode = 'DOCKER', ...wire } = wireOf(spec);
  return {
    id: row.id,
    ...timesOf(row),
    ...wire,
    storage: [],
    environment: { id: row.environmentId },
    git_repository: repositoryWire(row, beside),
    // How far the sliders of a console go; the target enforces its own limits.
    maximum_cpu: 256_000,
    maximum_memory: 1_048_576,
    maximun_gpu: 0,
    name: row.name,
    description: row.description,
    build_mode,
    cpu: spec.cpuMillicores,
    memory: spec.memoryMebibytes,
    gpu: 0,
    min_running_instances: spec.instancesMin,
    max_running_instances: spec.instancesMax,
    healthchecks,
    auto_preview: spec.autoPreview,
    ports: spec.ports.map(portWire),
    arguments: wire.arguments ?? [],
    auto_deploy: spec.autoDeploy,
    annotations_groups: [],
    labels_groups: [],
    icon_uri: row.iconUri,
    service_type: 'APPLICATION',
  };
}

async function showAll(tx: TenantTransaction, rows: readonly ServiceRow[]): Promise<Application[]> {
  const releaseIds = rows.flatMap(({ currentReleaseId }) => currentReleaseId ?? []);
  const commits = new Map((await findReleases(tx, releaseIds)).map((r) => [r.id, r.commitSha]));
  const tokenIds = rows.flatMap(({ gitTokenId }) => gitTokenId ?? []);
  const names = await listGitTokenNames(tx, tokenIds);
  return rows.map((row) =>
    applicationWire(row, {
      deployedSha: row.currentReleaseId ? commits.get(row.currentReleaseId) : undefined,
      gitTokenName: row.gitTokenId ? (names.get(row.gitTokenId) ?? null) : null,
    }),
  );
}

async function showOne(tx: TenantTransaction, row: ServiceRow): Promise<Application> {
  const [application] = await showAll(tx, [row]);
  return application ?? applicationWire(row, { deployedSha: undefined, gitTokenName: null });
}

/**
 * Keeps the token from being deleted until the service that uses it is saved.
 *
 * @throws Fault `invalid_input` where there is no such token, where it is another provider's than the
 * service says, or where it would have to be shown to a host that it is not for
 */
async function lockTokenOf(tx: TenantTransaction, spec: ApplicationSpec): Promise<void> {
  const { gitTokenId, provider, url } = spec.git;
  if (gitTokenId === null || gitTokenId === undefined) return;
  const field = 'git_repository.git_token_id';
  const token = await lockGitToken(tx, gitTokenId, 'share').catch((error: unknown) => {
    if (toFault(error).code !== 'not_found') throw error;
    throw new Fault('invalid_input', `${field}: there is no such Git token`);
  });
  if (token.type !== providerWire(provider)) {
    throw new Fault(
      'invalid_input',
      `${field}: the token is of type ${token.type}, and git_repository.provider is ${provider}`,
    );
  }
  if (coversRepository(token, url)) return;
  throw new Fault(
    'invalid_input',
    `${field}: the token is for repositories of ${token.apiUrl} by the same scheme, and ${url} is none`,
  );
}

/** `{service}-{shortId}` below the edge's name: readable, unique, and the same for ever. */
function hostOf(name: string, id: ServiceRow['id'], urls: ApiDeps['urls']): string {
  const slug = name
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .slice(0, 40)
    .replaceAll(/^-+|-+$/g, '');
  return `${slug || 'app'}-${shortId(id)}.${new URL(urls.applications).hostname}`;
}

function linkWire(row: ServiceRow, url: string): Link {
  const publicPorts = row.spec.ports.filter((port) => port.public);
  const port = publicPorts.find((one) => one.isDefault) ?? publicPorts[0];
  const { protocol, port: edgePort } = new URL(url);
  return {
    service_id: row.id,
    service_type: 'APPLICATION',
    url,
    // The target chooses the port where none is declared: the wire has no word for that.
    internal_port: port?.internalPort ?? 0,
    external_port: Number(edgePort) || (protocol === 'https:' ? 443 : 80),
    is_qovery_domain: true,
    is_default: true,
  };
}

/** What of a spec also stands in columns of its own, because deliveries are matched by it. */
function columnsOf({ spec }: Pick<ServiceRow, 'spec'>) {
  return {
    spec,
    repositoryKey: repositoryKey(spec.git.url),
    branch: spec.git.branch,
    autoDeploy: spec.autoDeploy,
    gitTokenId: spec.git.gitTokenId ?? null,
  };
}

export const applicationRoutes: Handlers<
  | 'listApplication'
  | 'createApplication'
  | 'getApplication'
  | 'editApplication'
  | 'deleteApplication'
  | 'listApplicationLinks'
> = {
  async listApplication({ params, query, read }) {
    return await read(async (tx) => {
      const { environment } = await getEnvironment(tx, params.environmentId);
      const rows = await listServices(tx, environment.id, quotas.servicesPerEnvironment);
      // With toUpdate, those whose branch has moved on or whose configuration has changed.
      const wanted = query.toUpdate ? rows.filter((row) => row.outOfDate) : rows;
      return { results: await showAll(tx, wanted) };
    });
  },

  async createApplication({ params, body, write, now }, { urls, git }) {
    const spec = newApplicationSpec(body, git.protocols);
    return await write(async (tx) => {
      const environment = await lockEnvironment(tx, params.environmentId);
      await lockTokenOf(tx, spec);
      assertBelow('servicesPerEnvironment', await countServices(tx, environment.id));
      const stage = await lastStage(tx, environment.id);
      const id = newServiceId();
      const row = await insertService(tx, now, {
        id,
        environmentId: environment.id,
        stageId: stage.id,
        kind: 'APPLICATION',
        name: body.name,
        description: body.description ?? '',
        ...(body.icon_uri === undefined ? {} : { iconUri: body.icon_uri }),
        host: hostOf(body.name, id, urls),
        ...columnsOf({ spec }),
      });
      await appendAudit(tx, now, {
        action: 'application.created',
        targetKind: 'application',
        targetId: id,
        detail: { name: row.name, environmentId: environment.id },
      });
      return await showOne(tx, row);
    });
  },

  async getApplication({ params, read }) {
    return await read(async (tx) => showOne(tx, await getService(tx, params.applicationId)));
  },

  async editApplication({ params, body, write, now }, { git }) {
    return await write(async (tx) => {
      const before = await getService(tx, params.applicationId);
      const spec = changeApplicationSpec(before.spec, body, git.protocols);
      await lockTokenOf(tx, spec);
      const behind = JSON.stringify(spec) !== JSON.stringify(before.spec);
      const row = await updateService(tx, now, before, {
        ...defined({ name: body.name, description: body.description, iconUri: body.icon_uri }),
        ...columnsOf({ spec }),
        outOfDate: before.outOfDate || (behind && before.currentReleaseId !== null),
      });
      await appendAudit(tx, now, {
        action: 'application.edited',
        targetKind: 'application',
        targetId: row.id,
      });
      return await showOne(tx, row);
    });
  },

  deleteApplication,

  async listApplicationLinks({ params, read }, { urls }) {
    const row = await read(async (tx) => getService(tx, params.applicationId));
    const url = serviceUrl(row, urls.applications);
    return { results: url === null ? [] : [linkWire(row, url)] };
  },
};
