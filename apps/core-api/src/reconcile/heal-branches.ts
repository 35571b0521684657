/**
 * Gap healing by heads: every repository that services follow is asked, at least once a minute, where
 * their branches are. What moved and was not acted on within the grace of a webhook becomes a
 * delivery of its own, marked as healed. Replicas share the repositories by claiming rows; one that
 * was not compared because nobody was there to do it is due at once when somebody is.
 */
import { messages } from '@pilotfish/contracts';
import { judgeHead } from '@pilotfish/domain-deploy';
import { backoffDelayMs, Fault, toFault } from '@pilotfish/kernel';
import type { CounterMetric } from '@pilotfish/runtime';
import {
  type BranchHeadRow,
  type ClaimedRepository,
  claimWatchedRepository,
  findManagedWebhook,
  insertBaselineHead,
  insertHealingDelivery,
  listBranchHeads,
  saveComparison,
  saveHeadAhead,
  type TenantTransaction,
  type WatchedRepositoryRow,
} from '@pilotfish/store';
import { systemContext } from '../executions/system-context.ts';
import type { ReconcileDeps } from './deps.ts';
import { createHostTurns } from './host-limits.ts';
import { readHeads } from './read-heads.ts';

/** A webhook that is on its way gets this long at most before its push counts as unheard. */
const graceMsMax = 5000;
/** Between questions about a repository that is gone. */
const refusedMsMax = 30 * 60_000;
/** Of one comparison. A claim lasts longer, so that nobody works on what another still does. */
const timeoutMs = 15_000;
const leaseSeconds = 20;
/** Of each process and host: enough for a thousand repositories, and nothing that a host minds. */
const hostLimits = { lanes: 4, spacingMs: 50 };
/** A head that nobody acted on for so long is announced again: its delivery was set aside. */
const repeatMs = 3_600_000;

export type HealDeps = Pick<
  ReconcileDeps,
  | 'store'
  | 'bus'
  | 'clock'
  | 'logger'
  | 'metrics'
  | 'random'
  | 'git'
  | 'sourceAccess'
  | 'openGitProvider'
  | 'gitServerUrl'
  | 'gapHealingSeconds'
>;

/**
 * When what is done. With the time for noticing, the grace and a deployment a push is live within
 * the seconds of gap healing, a minute unless told; the built-in host is near, and a third will do.
 */
function paceOf({ gapHealingSeconds }: Pick<HealDeps, 'gapHealingSeconds'>) {
  const wholeMs = gapHealingSeconds * 1000;
  return {
    graceMs: Math.min(graceMsMax, wholeMs / 3),
    intervalsMs: { built_in: wholeMs / 4, other: wholeMs / 2 },
    /** A host that is away is asked again soon after its return. */
    delaysMsMax: { built_in: wholeMs / 4, other: wholeMs, refused: refusedMsMax },
  };
}

/** Compares the repository that has been due the longest; false where none is due. */
export function createBranchHealer(deps: HealDeps): (signal: AbortSignal) => Promise<boolean> {
  const { store, clock, metrics } = deps;
  const turns = createHostTurns(clock, hostLimits);
  const ownHost = new URL(deps.gitServerUrl).host.toLowerCase();
  const comparisons = metrics.counter({
    name: 'pilotfish_head_comparisons_total',
    help: 'Repositories whose branches were compared with what was acted on',
    labels: ['outcome'],
    startsWith: [{ outcome: 'compared' }, { outcome: 'failed' }],
  });
  const healed = metrics.counter({
    name: 'pilotfish_healed_pushes_total',
    help: 'Pushes whose webhook never arrived, found by their heads',
  });
  return async (closing) => {
    const options = { leaseSeconds, busyHosts: turns.busy() };
    const claimed = await store.system('worker', (tx) =>
      claimWatchedRepository(tx, clock.now(), options),
    );
    if (claimed === null) return false;
    if (claimed === 'forgotten') return true;
    const host = hostOf(claimed.row);
    const isOwn = host === ownHost;
    try {
      await turns.run(host, closing, () => compare(deps, claimed, { isOwn, closing, healed }));
      comparisons.add(1, { outcome: 'compared' });
    } catch (thrown) {
      closing.throwIfAborted();
      comparisons.add(1, { outcome: 'failed' });
      await saveFailure(deps, claimed.row, isOwn, toFault(thrown));
    }
    return true;
  };
}

function hostOf({ repositoryKey }: WatchedRepositoryRow): string {
  return repositoryKey.split('/', 1)[0] ?? '';
}

interface Comparing {
  readonly isOwn: boolean;
  readonly closing: AbortSignal;
  readonly healed: CounterMetric;
}

async function compare(
  deps: HealDeps,
  claimed: ClaimedRepository,
  { isOwn, closing, healed }: Comparing,
): Promise<void> {
  const { organizationId, repositoryKey, failures } = claimed.row;
  const context = systemContext(organizationId, 'reconciler');
  const signal = AbortSignal.any([closing, AbortSignal.timeout(timeoutMs)]);
  const { heads, etag } = await readHeads(deps, context, claimed, signal).catch(
    (thrown: unknown) => {
      closing.throwIfAborted();
      if (!signal.aborted) throw thrown;
      throw new Fault(
        'timeout',
        `Git took longer than ${timeoutMs / 1000} s with ${repositoryKey}.`,
      );
    },
  );
  const { graceMs, intervalsMs } = paceOf(deps);
  const missed = await deps.store.tenant(context, async (tx) => {
    const judged = await judgeBranches(tx, deps, claimed, heads);
    const delayMs = judged.isWaiting
      ? graceMs
      : intervalsMs[isOwn ? 'built_in' : 'other'] * (0.75 + 0.25 * deps.random());
    const now = deps.clock.now();
    await saveComparison(tx, repositoryKey, {
      comparedAt: now,
      nextCompareAt: now.add({ milliseconds: Math.round(delayMs) }),
      failures: 0,
      etag,
    });
    return judged.missed;
  });
  if (failures >= toldAfterFailures) {
    deps.logger.info({ organizationId, repositoryKey }, 'heads are compared again');
  }
  if (missed.length === 0) return;
  healed.add(missed.length);
  for (const { branch, headSha } of missed) {
    deps.logger.warn(
      { organizationId, repositoryKey, branch, headSha },
      'a push whose webhook never arrived was found by its head',
    );
  }
  deps.bus.ring(messages.deliveryReceived, {}, {});
}

interface MissedPush {
  readonly branch: string;
  readonly headSha: string;
}

async function judgeBranches(
  tx: TenantTransaction,
  deps: HealDeps,
  { row: { repositoryKey }, branches }: ClaimedRepository,
  heads: ReadonlyMap<string, string>,
): Promise<{ readonly missed: readonly MissedPush[]; readonly isWaiting: boolean }> {
  const now = deps.clock.now();
  const { graceMs } = paceOf(deps);
  const rows = await listBranchHeads(tx, repositoryKey);
  const known = new Map(rows.map((row) => [row.branch, row]));
  const missed: MissedPush[] = [];
  let isWaiting = false;
  for (const [branch, { url }] of new Map(branches.map((each) => [each.branch, each]))) {
    const headSha = heads.get(branch) ?? null;
    const row = known.get(branch) ?? null;
    const judgement = judgeHead(headSha, row, now, graceMs);
    if (judgement.kind === 'new') {
      await insertBaselineHead(tx, now, { repositoryKey, branch, sha: headSha });
    }
    if (row === null || headSha === null) continue;
    if (judgement.kind !== 'waiting' && judgement.kind !== 'missed') continue;
    const { since } = judgement;
    await saveHeadAhead(tx, { repositoryKey, branch, sha: headSha }, row.handledSha, since);
    isWaiting ||= judgement.kind === 'waiting';
    if (judgement.kind === 'waiting') continue;
    if (await announce(tx, now, row, { url, headSha, since })) missed.push({ branch, headSha });
  }
  return { missed, isWaiting };
}

/** Makes the delivery that never arrived. False where it was made already, by whomever. */
async function announce(
  tx: TenantTransaction,
  now: Temporal.Instant,
  { repositoryKey, branch, handledSha, handledAt }: BranchHeadRow,
  push: { readonly url: string; readonly headSha: string; readonly since: Temporal.Instant },
): Promise<boolean> {
  const hook = await findManagedWebhook(tx);
  if (hook === null) {
    throw new Fault('internal', 'Something went wrong on our side', {
      internal: `organization ${tx.organizationId} has no managed webhook`,
    });
  }
  const { url, headSha, since } = push;
  const repeats = Math.floor((now.epochMilliseconds - since.epochMilliseconds) / repeatMs);
  const handledAtMs = handledAt?.epochMilliseconds ?? 0;
  return await insertHealingDelivery(tx, now, {
    incomingWebhookId: hook.id,
    // The same for every replica that notices, another one when the branch moves back and forth.
    providerDeliveryId: `healed ${repositoryKey} ${branch} ${handledAtMs} ${headSha} ${repeats}`,
    body: {
      ref: `refs/heads/${branch}`,
      before: handledSha ?? '0'.repeat(headSha.length),
      after: headSha,
      repository: { url },
    },
  });
}

/** The first failure is nobody's business: at a start this looks before the git-server listens. */
const toldAfterFailures = 2;

async function saveFailure(
  deps: HealDeps,
  { organizationId, repositoryKey, failures: before }: WatchedRepositoryRow,
  isOwn: boolean,
  fault: Fault,
): Promise<void> {
  const { store, clock, logger, random } = deps;
  const { intervalsMs, delaysMsMax } = paceOf(deps);
  const failures = before + 1;
  const level = failures === toldAfterFailures ? 'warn' : 'debug';
  logger[level]({ err: fault, organizationId, repositoryKey }, 'heads could not be compared');
  const place = isOwn ? 'built_in' : 'other';
  const policy = {
    firstDelayMs: intervalsMs[place],
    delayMsMax: delaysMsMax[fault.retryable ? place : 'refused'],
  };
  const delayMs = backoffDelayMs(policy, before, random());
  const nextCompareAt = clock.now().add({ milliseconds: delayMs });
  await store.tenant(systemContext(organizationId, 'reconciler'), (tx) =>
    saveComparison(tx, repositoryKey, { nextCompareAt, failures }),
  );
}
