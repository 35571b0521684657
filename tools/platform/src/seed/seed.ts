import type { Clock } from '@pilotfish/kernel';
import type { ApiClient } from './api-client.ts';
import { awaitDeployment } from './await-deployment.ts';
import { pushSample } from './push-sample.ts';

export interface SeedOptions {
  readonly api: ApiClient;
  /** The first administrator's API token. */
  readonly token: string;
  /** The sample's files. */
  readonly sampleDir: string;
  /** PATH, to find git. */
  readonly searchPath: string;
  /** False where nothing will be deployed: then its deployment is not waited for. */
  readonly hasEngine: boolean;
  /** Tells a person what is being waited for. */
  readonly say: (progress: string) => void;
  /** Tells a person what did not go well. */
  readonly warn: (sentence: string) => void;
  /** A line of the log of the sample's first deployment. */
  readonly onLine: (line: string) => void;
  readonly signal: AbortSignal;
  readonly clock: Clock;
}

/** Where everything of the sample is. */
export interface Sample {
  readonly organizationId: string;
  readonly projectId: string;
  readonly clusterId: string;
  readonly environmentId: string;
  readonly applicationId: string;
  readonly applicationUrl: string;
  readonly gitUrl: string;
}

interface Named {
  readonly id: string;
  readonly name: string;
}
interface Repository extends Named {
  readonly url: string;
  readonly default_branch: string;
}
interface Environment extends Named {
  readonly cluster_id: string;
}

/**
 * Makes the sample through the public API, as a user would: project, environment, repository,
 * application, a push. Each step looks first, so that a start that was cut short goes on. A sample
 * that cannot be deployed has its addresses nevertheless: a push makes it good.
 *
 * @throws Error with the API's own sentence where a step is refused
 */
export async function seedSample(options: SeedOptions): Promise<Sample> {
  const { api } = options;
  const organization = await theOrganization(api);
  const under = `/organization/${organization.id}`;
  const repository = await findOrCreate<Repository>(api, `${under}/gitRepository`, 'hello', {});
  const project = await findOrCreate<Named>(api, `${under}/project`, 'Sample', {});
  const environment = await findOrCreate<Environment>(
    api,
    `/project/${project.id}/environment`,
    'production',
    { mode: 'PRODUCTION' },
  );
  const application = await findOrCreate<Named>(
    api,
    `/environment/${environment.id}/application`,
    'hello',
    {
      git_repository: {
        url: repository.url,
        branch: repository.default_branch,
        provider: 'GITHUB',
      },
      ports: [{ internal_port: 3000, publicly_accessible: true, protocol: 'HTTP' }],
      healthchecks: {},
      auto_deploy: true,
    },
  );
  await pushSample({
    repositoryUrl: repository.url,
    branch: repository.default_branch,
    token: options.token,
    sampleDir: options.sampleDir,
    searchPath: options.searchPath,
    signal: options.signal,
    onLine: options.onLine,
    onPush: () => options.say('The sample is pushed to its repository; its first build runs.'),
  });
  if (options.hasEngine) await awaitDeployment(application.id, options);
  const links = await api.get<{ results: { url: string }[] }>(
    `/application/${application.id}/link`,
  );
  const [link] = links.results;
  if (link === undefined) throw new Error('the sample has no public address');
  return {
    organizationId: organization.id,
    projectId: project.id,
    clusterId: environment.cluster_id,
    environmentId: environment.id,
    applicationId: application.id,
    applicationUrl: link.url,
    gitUrl: repository.url,
  };
}

async function theOrganization(api: ApiClient): Promise<Named> {
  const { results } = await api.get<{ results: Named[] }>('/organization');
  const [organization] = results;
  if (organization === undefined) throw new Error("the administrator's organization is gone");
  return organization;
}

async function findOrCreate<T extends Named>(
  api: ApiClient,
  path: string,
  name: string,
  body: Record<string, unknown>,
): Promise<T> {
  const { results } = await api.get<{ results: T[] }>(path);
  return results.find((one) => one.name === name) ?? (await api.post<T>(path, { name, ...body }));
}
