import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { officialClients } from './clients.ts';
import { ledgerApplication } from './ledger.ts';
import type { Platform } from './platform.ts';
import { cloneRepository, type WorkingCopy } from './repository.ts';
import { eventually } from './wait.ts';

/** An environment with one application of its own repository, and what was pushed to it. */
export interface TrackedEnvironment {
  readonly name: string;
  readonly environmentId: string;
  readonly projectId: string;
  readonly applicationId: string;
  readonly copy: WorkingCopy;
  url(): string;
  /** The version that the branch's head holds: what must run in the end. */
  headVersion(): string;
  /** Commits the next version and pushes until the git-server has taken it. */
  pushNewVersion(): Promise<void>;
}

export interface EnvironmentsOptions {
  /** Of the project, and the beginning of every other name; one use per platform. */
  readonly name?: string;
  /** The application's files in place of the ledger's, beside a file `version`. */
  readonly files?: Readonly<Record<string, string>>;
  /** Where the repositories are; without it, on the platform's own git-server. */
  readonly createRepository?: (name: string) => Promise<Repository>;
}

/** `url` is what the platform is told, `cloneUrl` what the developer pushes to if it is another. */
export interface Repository {
  readonly url: string;
  readonly cloneUrl?: string;
}

/** Makes environments whose application writes each of its starts into `ledgerFile`. */
export async function createEnvironments(
  platform: Platform,
  count: number,
  ledgerFile: string,
  options: EnvironmentsOptions = {},
): Promise<TrackedEnvironment[]> {
  const client = officialClients(platform.connection);
  const { organizationId, clusterId } = platform.connection;
  const { name: prefix = 'ledger', files = ledgerApplication } = options;
  const host = options.createRepository ?? ((name: string) => createRepository(platform, name));
  const project = (await client.projects.createProject(organizationId, { name: prefix })).data;
  const environments: TrackedEnvironment[] = [];
  for (let index = 0; index < count; index += 1) {
    const name = `${prefix}-${index}`;
    const repository = await host(name);
    const environment = (
      await client.environments.createEnvironment(project.id, { name, cluster: clusterId })
    ).data;
    const application = (
      await client.applications.createApplication(environment.id, {
        name,
        git_repository: { url: repository.url, branch: 'main', provider: 'GITHUB' },
        healthchecks: {},
        auto_deploy: true,
        ports: [{ internal_port: 3000, publicly_accessible: true, protocol: 'HTTP' }],
      })
    ).data;
    for (const [key, value] of Object.entries({ LEDGER: ledgerFile, LEDGER_NAME: name })) {
      await client.variables.createVariable({
        key,
        value,
        is_secret: false,
        variable_scope: 'APPLICATION',
        variable_parent_id: application.id,
      });
    }
    const links = (await client.application.listApplicationLinks(application.id)).data;
    environments.push(
      await track(platform, files, {
        name,
        environmentId: environment.id,
        projectId: project.id,
        applicationId: application.id,
        cloneUrl: repository.cloneUrl ?? repository.url,
        url: links.results?.[0]?.url ?? '',
      }),
    );
  }
  return environments;
}

async function createRepository(platform: Platform, name: string): Promise<Repository> {
  const { apiUrl, organizationId, token } = platform.connection;
  const answer = await fetch(`${apiUrl}/organization/${organizationId}/gitRepository`, {
    method: 'POST',
    headers: { authorization: `Token ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ name }),
  });
  if (answer.status !== 201) throw new Error(`no repository: ${await answer.text()}`);
  return (await answer.json()) as Repository;
}

interface Made {
  name: string;
  environmentId: string;
  projectId: string;
  applicationId: string;
  cloneUrl: string;
  url: string;
}

async function track(
  platform: Platform,
  files: Readonly<Record<string, string>>,
  made: Made,
): Promise<TrackedEnvironment> {
  const copy = await cloneRepository(platform.connection, made.cloneUrl);
  await copy.git('checkout', '--quiet', '-B', 'main');
  for (const [file, text] of Object.entries(files)) {
    await writeFile(join(copy.path, file), text);
  }
  let version = 0;
  const pushNewVersion = async () => {
    version += 1;
    await copy.commit('version', () => String(version));
    // A push that meets a killed git-server is refused, not lost: a developer pushes again.
    await eventually(`${made.name} takes version ${version}`, 60_000, async () => {
      await copy.push('--quiet', 'origin', 'main');
      return true;
    });
  };
  return {
    ...made,
    copy,
    url: () => made.url,
    headVersion: () => String(version),
    pushNewVersion,
  };
}
