/**
 * The question to Git, asked once for however many deliveries wait for the same branches. No
 * transaction is open meanwhile, since a Git host may take its time: that nobody acted on a head in
 * between is found by the count of actions, under the branch's lock (see `handlePushes`).
 */
import { isBeingDeleted, needsChangedPaths, type WatchingService } from '@pilotfish/domain-deploy';
import type { ServiceId } from '@pilotfish/kernel';
import {
  countHeadActions,
  type FollowedBranch,
  listServicesFollowing,
  type ServiceRow,
  type TenantContext,
  type TenantTransaction,
} from '@pilotfish/store';
import type { DispatchDeps } from './deps.ts';

/** How long one repository may keep the deliveries of a branch waiting. */
const gitMsMax = 15_000;

/** Where a branch is, as Git said. */
export interface KnownHead {
  readonly repositoryKey: string;
  readonly branch: string;
  /** Null: nowhere. */
  readonly sha: string | null;
  /** How often somebody had acted on a head of the branch before Git was asked. */
  readonly actions: number;
  /** Per service and the commit it had, the paths that differ; null where Git cannot tell. */
  readonly changed: ReadonlyMap<string, readonly string[] | null>;
}

interface Question {
  readonly branch: FollowedBranch;
  readonly actions: number;
  readonly url: string;
  readonly credentials: Credentials;
  /** Those that look at the changed paths, each with the access of its own. */
  readonly selective: readonly { readonly row: ServiceRow; readonly credentials: Credentials }[];
}

type Credentials = Awaited<ReturnType<DispatchDeps['sourceAccess']>>;

/** A branch that nobody follows any more is missing from the answer. */
export async function askHeads(
  deps: Pick<DispatchDeps, 'store' | 'git' | 'sourceAccess'>,
  context: TenantContext,
  branches: readonly FollowedBranch[],
  signal: AbortSignal,
): Promise<readonly KnownHead[]> {
  const questions = await deps.store.system('worker', async (tx) =>
    prepare(await tx.asTenant(context), deps, branches),
  );
  const heads: KnownHead[] = [];
  for (const { branch: subject, actions, url, selective, credentials } of questions) {
    const { repositoryKey, branch } = subject;
    const options = { branches: [branch], credentials, signal, timeoutMs: gitMsMax };
    const sha = (await deps.git.listHeads(url, options)).get(branch) ?? null;
    const changed = new Map<string, readonly string[] | null>();
    for (const { row, credentials: own } of selective) {
      if (sha === null || !isPathDecisive(watching(row), sha)) continue;
      const from = row.lastRequestedSha;
      const request = { url: row.spec.git.url, from, to: sha, branch, credentials: own, signal };
      const answer = await deps.git.changedPaths(request);
      changed.set(changeKey(row.id, from), answer.kind === 'paths' ? answer.paths : null);
    }
    heads.push({ repositoryKey, branch, sha, actions, changed });
  }
  return heads;
}

async function prepare(
  tx: TenantTransaction,
  { sourceAccess }: Pick<DispatchDeps, 'sourceAccess'>,
  branches: readonly FollowedBranch[],
): Promise<readonly Question[]> {
  const questions: Question[] = [];
  for (const branch of branches) {
    const { repositoryKey, branch: name } = branch;
    const services = await listServicesFollowing(tx, [repositoryKey], name);
    const [first] = services;
    if (first === undefined) continue;
    const { url } = first.spec.git;
    const credentials = await sourceAccess(tx, first.spec.git, 'dispatcher');
    const actions = await countHeadActions(tx, repositoryKey, name);
    const selective = [];
    for (const row of services) {
      if (!needsChangedPaths(watching(row))) continue;
      selective.push({ row, credentials: await sourceAccess(tx, row.spec.git, 'dispatcher') });
    }
    questions.push({ branch, actions, url, credentials, selective });
  }
  return questions;
}

/** True where it depends on the changed paths whether the service is deployed. */
export function isPathDecisive(service: WatchingService, headSha: string): boolean {
  if (service.isUnwanted || !service.autoDeploy || !needsChangedPaths(service)) return false;
  return service.lastRequestedSha !== headSha;
}

export function changeKey(serviceId: ServiceId, from: string | null): string {
  return `${serviceId} ${from ?? ''}`;
}

export function watching(row: ServiceRow): WatchingService {
  return {
    serviceId: row.id,
    environmentId: row.environmentId,
    name: row.name,
    repositoryKey: row.repositoryKey ?? '',
    branch: row.branch ?? '',
    rootPath: row.spec.git.rootPath,
    autoDeploy: row.autoDeploy,
    isUnwanted: isBeingDeleted(row.state) || row.state === 'DELETE_ERROR',
    pathFilters: row.spec.pathFilters,
    lastRequestedSha: row.lastRequestedSha,
  };
}
