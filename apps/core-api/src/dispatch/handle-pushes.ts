import type { CommitInfo } from '@pilotfish/contracts';
import {
  type BranchOutcome,
  describeOutcome,
  isBeingDeleted,
  matchServices,
  needsChangedPaths,
  type ServiceMatch,
  type WatchingService,
} from '@pilotfish/domain-deploy';
import type { Git } from '@pilotfish/git';
import type { EnvironmentId, ExecutionId, ServiceId } from '@pilotfish/kernel';
import {
  finishDelivery,
  listServicesFollowing,
  lockBranchHead,
  lockPendingDeliveries,
  type ServiceRow,
  saveHandledHead,
  type TenantTransaction,
} from '@pilotfish/store';
import type { FindSourceAccess } from '../executions/source-access.ts';
import { enqueueExecution } from '../handlers/enqueue-execution.ts';
import type { PushDelivery } from './read-claimed.ts';

export interface HandleDeps {
  readonly git: Pick<Git, 'listHeads' | 'changedPaths'>;
  readonly sourceAccess: FindSourceAccess;
  readonly now: Temporal.Instant;
  readonly signal: AbortSignal;
}

/** What to do after the commit. */
export interface Handled {
  readonly released: boolean;
  readonly executionIds: readonly ExecutionId[];
  readonly canceling: readonly ExecutionId[];
}

/** How long one repository may keep a branch locked. */
const gitTimeoutMs = 15_000;

/**
 * Handles deliveries that are about the same branches, in one transaction: the branches are locked,
 * Git says where they are now, and what follows from that is queued. However often and in whatever
 * order pushes are announced, a branch only ever moves to a head that is newer than the last one.
 */
export async function handlePushes(
  tx: TenantTransaction,
  deps: HandleDeps,
  group: readonly PushDelivery[],
): Promise<Handled> {
  const pending = await lockPendingDeliveries(
    tx,
    group.map(({ claimed }) => claimed.delivery.id),
  );
  const ids = new Set(pending.map(({ id }) => id));
  const [first] = group;
  if (first === undefined || ids.size === 0) {
    return { released: false, executionIds: [], canceling: [] };
  }
  const heads = await askForHeads(tx, deps, first);
  let released = false;
  const executionIds: ExecutionId[] = [];
  const canceling: ExecutionId[] = [];
  for (const push of group) {
    if (!ids.has(push.claimed.delivery.id)) continue;
    const result = await handleOne(tx, deps, push, heads);
    released ||= result.released;
    executionIds.push(...result.executionIds);
    canceling.push(...result.canceling);
  }
  for (const { repositoryKey, branch, sha } of heads) {
    await saveHandledHead(tx, deps.now, { repositoryKey, branch, sha });
  }
  return { released, executionIds, canceling };
}

/** Where a branch is, as Git said while the branch was locked; null: nowhere. */
interface KnownHead {
  readonly repositoryKey: string;
  readonly branch: string;
  readonly sha: string | null;
}

async function askForHeads(
  tx: TenantTransaction,
  { git, sourceAccess, now, signal }: HandleDeps,
  { changes, repositoryKeys }: PushDelivery,
): Promise<readonly KnownHead[]> {
  const heads: KnownHead[] = [];
  const branches = changes.filter((c) => c.kind === 'branch').map((c) => c.name);
  // In one order everywhere, so that two dispatchers never wait for each other.
  for (const branch of [...new Set(branches)].sort()) {
    const following = await listServicesFollowing(tx, repositoryKeys, branch);
    const byKey = Map.groupBy(following, (service) => service.repositoryKey ?? '');
    for (const [repositoryKey, [service]] of [...byKey].sort(([a], [b]) => (a < b ? -1 : 1))) {
      if (service === undefined) continue;
      await lockBranchHead(tx, now, repositoryKey, branch);
      const { url } = service.spec.git;
      const credentials = await sourceAccess(tx, service.spec.git, 'dispatcher');
      const options = { branches: [branch], credentials, signal, timeoutMs: gitTimeoutMs };
      const answer = await git.listHeads(url, options);
      heads.push({ repositoryKey, branch, sha: answer.get(branch) ?? null });
    }
  }
  return heads;
}

async function handleOne(
  tx: TenantTransaction,
  deps: HandleDeps,
  push: PushDelivery,
  heads: readonly KnownHead[],
): Promise<Handled> {
  const outcomes: BranchOutcome[] = [];
  const refusals: string[] = [];
  const executionIds: ExecutionId[] = [];
  const canceling: ExecutionId[] = [];
  let released = false;
  for (const change of push.changes) {
    if (change.kind === 'tag') {
      outcomes.push({ kind: 'tag', name: change.name });
      continue;
    }
    const branch = change.name;
    const known = heads.filter((head) => head.branch === branch);
    if (known.length === 0) {
      outcomes.push({ kind: change.claimedSha === null ? 'deleted' : 'unwatched', branch });
    }
    for (const { repositoryKey, sha } of known) {
      if (sha === null) {
        outcomes.push({ kind: 'deleted', branch });
        continue;
      }
      const matches = await match(tx, deps, repositoryKey, branch, sha);
      // Git has the last word about the head; of another commit nothing was told.
      const commit = change.claimedSha === sha ? change.commit : undefined;
      const queued = await enqueueMatches(tx, deps.now, push, { commitSha: sha, commit }, matches);
      outcomes.push({ kind: 'matched', branch, headSha: sha, matches: queued.matches });
      refusals.push(...queued.refusals);
      executionIds.push(...queued.executionIds);
      canceling.push(...queued.canceling);
      released ||= queued.released;
    }
  }
  await finishDelivery(tx, deps.now, push.claimed.delivery.id, {
    state: 'HANDLED',
    outcome: [describeOutcome(outcomes), ...refusals].join(' '),
    executionIds,
  });
  return { released, executionIds, canceling };
}

async function match(
  tx: TenantTransaction,
  { git, sourceAccess, signal }: HandleDeps,
  repositoryKey: string,
  branch: string,
  headSha: string,
): Promise<readonly ServiceMatch[]> {
  // Read again for each delivery: the one before may have asked for this very commit.
  const rows = await listServicesFollowing(tx, [repositoryKey], branch);
  const changed = new Map<ServiceId, readonly string[] | null>();
  for (const row of rows) {
    const service = watching(row);
    if (service.isUnwanted || !service.autoDeploy || !needsChangedPaths(service)) continue;
    if (service.lastRequestedSha === headSha) continue;
    const { url } = row.spec.git;
    const credentials = await sourceAccess(tx, row.spec.git, 'dispatcher');
    const from = service.lastRequestedSha;
    const request = { url, from, to: headSha, branch, credentials, signal };
    const answer = await git.changedPaths(request);
    changed.set(row.id, answer.kind === 'paths' ? answer.paths : null);
  }
  return matchServices(
    rows.map(watching),
    { repositoryKey, branch, headSha },
    // Not asked for where the service takes every path: then any name stands for the change.
    ({ serviceId }) => changed.get(serviceId) ?? null,
  );
}

function watching(row: ServiceRow): WatchingService {
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

async function enqueueMatches(
  tx: TenantTransaction,
  now: Temporal.Instant,
  push: PushDelivery,
  { commitSha, commit }: { readonly commitSha: string; readonly commit: CommitInfo | undefined },
  matches: readonly ServiceMatch[],
) {
  const deploys = matches.filter((m) => m.kind === 'deploy').map((m) => m.service);
  const byEnvironment = Map.groupBy(deploys, (service) => service.environmentId);
  const executionIds: ExecutionId[] = [];
  const canceling: ExecutionId[] = [];
  const refusals: string[] = [];
  const refused = new Set<EnvironmentId>();
  let released = false;
  for (const [environmentId, services] of [...byEnvironment].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const outcome = await enqueueExecution(tx, now, {
      environmentId,
      action: 'DEPLOY',
      services: services.map(({ serviceId }) => ({
        serviceId,
        commitSha,
        ...(commit && { commit }),
      })),
      origin: 'GIT',
      clientOrigin: 'GIT',
      deliveryId: push.claimed.delivery.id,
    });
    if (outcome.kind === 'refused') {
      refused.add(environmentId);
      refusals.push(`${services.map(({ name }) => name).join(', ')}: ${outcome.reason}`);
      continue;
    }
    executionIds.push(outcome.executionId);
    if (outcome.canceling !== null) canceling.push(outcome.canceling);
    released ||= outcome.released;
  }
  const kept = matches.filter((m) => m.kind === 'skip' || !refused.has(m.service.environmentId));
  return { executionIds, canceling, refusals, released, matches: kept };
}
