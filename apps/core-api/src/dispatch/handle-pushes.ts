import type { CommitInfo } from '@pilotfish/contracts';
import {
  type BranchOutcome,
  describeOutcome,
  matchServices,
  type ServiceMatch,
} from '@pilotfish/domain-deploy';
import type { DeliveryId, EnvironmentId, ExecutionId } from '@pilotfish/kernel';
import {
  type DeliveryEnd,
  finishDeliveries,
  listServicesFollowing,
  lockBranchHead,
  lockPendingDeliveries,
  saveHandledHead,
  type TenantTransaction,
} from '@pilotfish/store';
import { enqueueExecution } from '../handlers/enqueue-execution.ts';
import { changeKey, isPathDecisive, type KnownHead, watching } from './ask-heads.ts';
import type { DispatchOutcome } from './metrics.ts';
import type { PushDelivery } from './read-claimed.ts';

/** What to do after the commit. */
export interface Handled {
  readonly kind: 'handled';
  readonly released: boolean;
  readonly executionIds: readonly ExecutionId[];
  readonly canceling: readonly ExecutionId[];
  /** Only of deliveries that this transaction ended. */
  readonly outcomes: ReadonlyMap<DeliveryId, DispatchOutcome>;
}

/** `overtaken`: the answer of Git is older than what somebody did; ask again. Nothing was written. */
export type HandleResult = Handled | { readonly kind: 'overtaken' };

/**
 * Handles deliveries that are about the same branches, in one transaction: the branches are locked,
 * and what follows from where Git says they are is queued. However often and in whatever order
 * pushes are announced, a branch only ever moves to a head that is newer than the last one.
 *
 * The first delivery starts what there is to start, the others find it requested already.
 */
export async function handlePushes(
  tx: TenantTransaction,
  now: Temporal.Instant,
  group: readonly PushDelivery[],
  heads: readonly KnownHead[],
): Promise<HandleResult> {
  const ids = await lockPendingDeliveries(
    tx,
    group.map(({ due }) => due.id),
  );
  const pending = group.filter(({ due }) => ids.has(due.id));
  const work: Work = {
    tx,
    now,
    heads,
    executionIds: [],
    canceling: [],
    isReleased: false,
    isMatched: false,
  };
  if (pending.length === 0) return handled(work, []);
  if (!(await lockHeads(work))) return { kind: 'overtaken' };
  const ends: DeliveryEnd[] = [];
  // Those that say the same after the first one have the same outcome.
  const known = new Map<string, DeliveryEnd>();
  for (const push of bestFirst(pending, heads)) {
    const key = JSON.stringify([
      push.repositoryKeys,
      push.changes.map(({ kind, name, claimedSha }) => [kind, name, claimedSha === null]),
    ]);
    const same = known.get(key);
    const end = same === undefined ? await handleOne(work, push) : { ...same, id: push.due.id };
    ends.push(end);
    if (end.executionIds?.length === 0) known.set(key, end);
  }
  await finishDeliveries(tx, now, ends);
  for (const { repositoryKey, branch, sha } of heads) {
    await saveHandledHead(tx, now, { repositoryKey, branch, sha });
  }
  return handled(work, ends);
}

/** What one transaction is about and what it has done so far. */
interface Work {
  readonly tx: TenantTransaction;
  readonly now: Temporal.Instant;
  readonly heads: readonly KnownHead[];
  readonly executionIds: ExecutionId[];
  readonly canceling: ExecutionId[];
  isReleased: boolean;
  isMatched: boolean;
}

function handled(work: Work, ends: readonly DeliveryEnd[]): Handled {
  const outcomeOf = ({ executionIds = [] }: DeliveryEnd): DispatchOutcome => {
    if (executionIds.length > 0) return 'deployed';
    return work.isMatched ? 'nothing_to_deploy' : 'unwatched';
  };
  return {
    kind: 'handled',
    released: work.isReleased,
    executionIds: work.executionIds,
    canceling: work.canceling,
    outcomes: new Map(ends.map((end) => [end.id, outcomeOf(end)])),
  };
}

/** False where somebody acted on a head since Git was asked. */
async function lockHeads({ tx, now, heads }: Work): Promise<boolean> {
  for (const { repositoryKey, branch, actions } of heads) {
    const row = await lockBranchHead(tx, now, repositoryKey, branch);
    if (row.actions !== actions) return false;
  }
  return true;
}

/** First of all one that tells of the very commit that is deployed: its message is shown with it. */
function bestFirst(
  group: readonly PushDelivery[],
  heads: readonly KnownHead[],
): readonly PushDelivery[] {
  const shas = new Set(heads.map(({ sha }) => sha));
  const tells = ({ changes }: PushDelivery) =>
    changes.some(({ claimedSha, commit }) => commit !== undefined && shas.has(claimedSha));
  const best = group.find(tells);
  return best === undefined ? group : [best, ...group.filter((push) => push !== best)];
}

async function handleOne(work: Work, push: PushDelivery): Promise<DeliveryEnd> {
  const outcomes: BranchOutcome[] = [];
  const refusals: string[] = [];
  const executionIds: ExecutionId[] = [];
  for (const change of push.changes) {
    const branch = change.name;
    if (change.kind === 'tag') {
      outcomes.push({ kind: 'tag', name: branch });
      continue;
    }
    const known = work.heads.filter(
      (head) => head.branch === branch && push.repositoryKeys.includes(head.repositoryKey),
    );
    if (known.length === 0) {
      outcomes.push({ kind: change.claimedSha === null ? 'deleted' : 'unwatched', branch });
    }
    for (const head of known) {
      if (head.sha === null) {
        outcomes.push({ kind: 'deleted', branch });
        continue;
      }
      work.isMatched = true;
      const matches = await match(work.tx, head, head.sha);
      // Git has the last word about the head; of another commit nothing was told.
      const commit = change.claimedSha === head.sha ? change.commit : undefined;
      const queued = await enqueueMatches(work, push, { commitSha: head.sha, commit }, matches);
      outcomes.push({ kind: 'matched', branch, headSha: head.sha, matches: queued.matches });
      refusals.push(...queued.refusals);
      executionIds.push(...queued.executionIds);
    }
  }
  const outcome = [describeOutcome(outcomes), ...refusals].join(' ');
  work.executionIds.push(...executionIds);
  return { id: push.due.id, state: 'HANDLED', outcome, executionIds };
}

async function match(
  tx: TenantTransaction,
  { repositoryKey, branch, changed }: KnownHead,
  headSha: string,
): Promise<readonly ServiceMatch[]> {
  // Read again for each delivery: the one before may have asked for this very commit.
  const rows = await listServicesFollowing(tx, [repositoryKey], branch);
  return matchServices(rows.map(watching), { repositoryKey, branch, headSha }, (service) => {
    // Not asked for where the service takes every path: then any name stands for the change. And
    // not known where somebody deployed another commit since: deployed rather than guessed.
    if (!isPathDecisive(service, headSha)) return null;
    return changed.get(changeKey(service.serviceId, service.lastRequestedSha)) ?? null;
  });
}

async function enqueueMatches(
  work: Work,
  push: PushDelivery,
  { commitSha, commit }: { readonly commitSha: string; readonly commit: CommitInfo | undefined },
  matches: readonly ServiceMatch[],
) {
  const deploys = matches.filter((m) => m.kind === 'deploy').map((m) => m.service);
  const byEnvironment = Map.groupBy(deploys, (service) => service.environmentId);
  const executionIds: ExecutionId[] = [];
  const refusals: string[] = [];
  const refused = new Set<EnvironmentId>();
  for (const [environmentId, services] of [...byEnvironment].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const outcome = await enqueueExecution(work.tx, work.now, {
      environmentId,
      action: 'DEPLOY',
      services: services.map(({ serviceId }) => ({
        serviceId,
        commitSha,
        ...(commit && { commit }),
      })),
      origin: 'GIT',
      clientOrigin: 'GIT',
      deliveryId: push.due.id,
    });
    if (outcome.kind === 'refused') {
      refused.add(environmentId);
      refusals.push(`${services.map(({ name }) => name).join(', ')}: ${outcome.reason}`);
      continue;
    }
    executionIds.push(outcome.executionId);
    if (outcome.canceling !== null) work.canceling.push(outcome.canceling);
    work.isReleased ||= outcome.released;
  }
  const kept = matches.filter((m) => m.kind === 'skip' || !refused.has(m.service.environmentId));
  return { executionIds, refusals, matches: kept };
}
