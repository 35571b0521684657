/** Environments whose application follows a branch that does not exist until it is pushed. */
import { spawnSync } from 'node:child_process';
import type { ApplicationSpec } from '@pilotfish/contracts';
import { repositoryKey } from '@pilotfish/domain-deploy';
import {
  type ClusterId,
  type EnvironmentId,
  newId,
  type OrganizationId,
  type PrincipalId,
  type ProjectId,
  type ServiceId,
  type StageId,
  systemClock,
} from '@pilotfish/kernel';
import { openStore, tables } from '@pilotfish/store';
import { startGitHost } from '@pilotfish/system';
import type { CleanUp } from '../clean-up.ts';

export interface FollowedBranch {
  readonly environmentId: EnvironmentId;
  readonly branch: string;
  readonly commitSha: string;
  /** Moves the branch to its commit, on the Git host. */
  push(): void;
}

export interface FollowedBranches {
  readonly repositoryUrl: string;
  /** Not pushed yet; takes so many. */
  take(count: number): readonly FollowedBranch[];
}

export interface FollowedBranchesOptions {
  readonly databaseUrl: string;
  readonly organizationId: OrganizationId;
  readonly count: number;
  readonly cleanUp: CleanUp;
}

export async function makeFollowedBranches(
  options: FollowedBranchesOptions,
): Promise<FollowedBranches> {
  const host = await startGitHost();
  options.cleanUp.defer(() => host[Symbol.asyncDispose]());
  const { url, cloneUrl } = await host.createRepository('followed');
  const commits = commitAll(cloneUrl, options.count);
  const environmentIds = await follow(options, url);
  const branches = environmentIds.map((environmentId, index) => {
    const commitSha = commits[index] ?? '';
    const branch = branchOf(index);
    const push = () => void git(cloneUrl, ['update-ref', `refs/heads/${branch}`, commitSha]);
    return { environmentId, branch, commitSha, push };
  });
  return {
    repositoryUrl: url,
    take(count) {
      if (branches.length < count) throw new Error('all followed branches were pushed already');
      return branches.splice(0, count);
    },
  };
}

const branchOf = (index: number) => `feature-${index}`;

function git(folder: string, args: readonly string[], input = ''): string {
  const { status, stdout, stderr } = spawnSync('git', ['-C', folder, ...args], {
    input,
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`git ${args[0]}: ${stderr}`);
  return stdout.trim();
}

/** One commit for each branch, on no branch yet. */
function commitAll(folder: string, count: number): string[] {
  const stream = Array.from({ length: count }, (_, index) => {
    const message = `Change ${index}`;
    const who = `Ada <ada@example.com> ${1_790_000_000 + index} +0000`;
    const head = `commit refs/waiting/${index}\ncommitter ${who}\n`;
    return `${head}data ${message.length}\n${message}\nM 644 inline page.md\ndata 0\n\n`;
  });
  git(folder, ['fast-import', '--quiet'], stream.join(''));
  // Hosts show branches and tags only.
  git(folder, ['config', 'transfer.hideRefs', 'refs/waiting']);
  const listed = git(folder, ['for-each-ref', '--format=%(refname) %(objectname)', 'refs/waiting']);
  const shas = new Map(listed.split('\n').map((line) => line.split(' ') as [string, string]));
  return Array.from({ length: count }, (_, index) => shas.get(`refs/waiting/${index}`) ?? '');
}

function specOf(url: string, branch: string): ApplicationSpec {
  return {
    kind: 'APPLICATION',
    git: { provider: 'GENERIC', url, branch, rootPath: '/' },
    autoDeploy: true,
    autoPreview: false,
    pathFilters: [],
    ports: [],
    command: [],
    readiness: null,
    liveness: null,
    instancesMin: 1,
    instancesMax: 1,
    cpuMillicores: 100,
    memoryMebibytes: 128,
    buildSecondsMax: 60,
  };
}

/** One environment for each branch; none of them has a request under way when it is pushed. */
async function follow(
  { databaseUrl, organizationId, count }: FollowedBranchesOptions,
  url: string,
): Promise<EnvironmentId[]> {
  const now = systemClock.now();
  const edited = { createdAt: now, updatedAt: now };
  const owned = { organizationId, ...edited };
  const [projectId, clusterId] = [newId<ProjectId>(), newId<ClusterId>()];
  const environments = Array.from({ length: count }, () => ({
    id: newId<EnvironmentId>(),
    stageId: newId<StageId>(),
    serviceId: newId<ServiceId>(),
  }));
  const actor = { principalId: newId<PrincipalId>(), kind: 'user', name: 'Ada' } as const;
  const store = await openStore({ url: databaseUrl, name: 'bench', max: 1 });
  await store.tenant({ organizationId, actor }, async ({ db }) => {
    await db.insert(tables.projects).values({ id: projectId, name: 'bench', ...owned });
    await db.insert(tables.clusters).values({ id: clusterId, name: 'bench', lease: 1, ...owned });
    await db.insert(tables.environments).values(
      environments.map(({ id }, index) => ({
        ...owned,
        id,
        projectId,
        clusterId,
        name: `environment-${index}`,
        mode: 'DEVELOPMENT' as const,
        queuePolicy: 'queue' as const,
      })),
    );
    await db.insert(tables.deploymentStages).values(
      environments.map(({ id, stageId }) => ({
        ...owned,
        id: stageId,
        environmentId: id,
        name: 'default',
        position: 1,
      })),
    );
    await db.insert(tables.services).values(
      environments.map(({ id, stageId, serviceId }, index) => ({
        ...owned,
        id: serviceId,
        environmentId: id,
        stageId,
        kind: 'APPLICATION' as const,
        name: 'app',
        spec: specOf(url, branchOf(index)),
        repositoryKey: repositoryKey(url),
        branch: branchOf(index),
        autoDeploy: true,
        host: `bench-${index}.localhost`,
      })),
    );
  });
  await store.close();
  return environments.map(({ id }) => id);
}
