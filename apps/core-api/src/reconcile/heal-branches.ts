import { messages } from '@pilotfish/contracts';
import { type Fault, toFault } from '@pilotfish/kernel';
import {
  findManagedWebhook,
  insertBaselineHead,
  insertHealingDelivery,
  listBranchHeads,
  listWatchedBranches,
  type TenantTransaction,
  type WatchedBranch,
} from '@pilotfish/store';
import { systemContext } from '../executions/system-context.ts';
import type { ReconcileDeps } from './deps.ts';

/** A webhook that is on its way gets this long before its push counts as unheard. */
const graceMs = 5000;
const gitTimeoutMs = 10_000;
/** What fails again after this long is told. */
const lastingMs = 10_000;

type HealDeps = Pick<
  ReconcileDeps,
  'store' | 'bus' | 'clock' | 'logger' | 'git' | 'sourceAccess' | 'gitServerUrl'
>;

/**
 * Compares the branches of the built-in git-server that services follow with what was handled, and
 * makes the delivery that never arrived: the hook did not run, or died with what it had to say.
 * A branch that is seen for the first time is taken as it is; only what moves later is a push.
 */
export function createBranchHealer(deps: HealDeps): (signal: AbortSignal) => Promise<void> {
  const troubles = createTroubles(deps);
  return async (signal) => {
    const host = new URL(deps.gitServerUrl).host;
    const watched = await deps.store.system('worker', (tx) => listWatchedBranches(tx, host));
    const suspects = await findUnhandled(deps, watched, signal, troubles);
    if (suspects.length === 0) return;
    await deps.clock.sleep(graceMs, signal);
    const unheard = await findUnhandled(
      deps,
      watched.filter((branch) => suspects.some((s) => s.watched === branch)),
      signal,
      troubles,
    );
    for (const head of unheard) await heal(deps, head);
    if (unheard.length > 0) deps.bus.ring(messages.deliveryReceived, {}, {});
  };
}

interface Troubles {
  compared(repositoryUrl: string): void;
  failed(repositoryUrl: string, fault: Fault): void;
}

/**
 * Tells once that a repository's heads cannot be compared, and once that they can again. The first
 * failure is nobody's business: at a start this looks before the git-server listens.
 */
function createTroubles({ clock, logger }: Pick<HealDeps, 'clock' | 'logger'>): Troubles {
  const failing = new Map<string, { readonly sinceMs: number; isTold: boolean }>();
  return {
    compared(url) {
      if (failing.get(url)?.isTold) logger.info({ url }, 'heads are compared again');
      failing.delete(url);
    },
    failed(url, fault) {
      const nowMs = clock.monotonicMs();
      const known = failing.get(url);
      if (known === undefined) failing.set(url, { sinceMs: nowMs, isTold: false });
      const lasts = known !== undefined && nowMs - known.sinceMs >= lastingMs;
      const level = lasts && !known.isTold ? 'warn' : 'debug';
      logger[level]({ err: fault, url }, 'heads could not be compared');
      if (lasts) known.isTold = true;
    },
  };
}

interface Unhandled {
  readonly watched: WatchedBranch;
  readonly headSha: string;
  readonly handledSha: string | null;
  readonly handledAtMs: number;
}

async function findUnhandled(
  deps: HealDeps,
  watched: readonly WatchedBranch[],
  signal: AbortSignal,
  troubles: Troubles,
): Promise<readonly Unhandled[]> {
  const unhandled: Unhandled[] = [];
  const byRepository = Map.groupBy(watched, (b) => `${b.organizationId} ${b.repositoryKey}`);
  for (const branches of byRepository.values()) {
    const url = branches[0]?.url ?? '';
    try {
      unhandled.push(...(await compareRepository(deps, branches, signal)));
      troubles.compared(url);
    } catch (thrown) {
      if (signal.aborted) throw thrown;
      troubles.failed(url, toFault(thrown));
    }
  }
  return unhandled;
}

async function compareRepository(
  { store, git, sourceAccess, clock }: HealDeps,
  branches: readonly WatchedBranch[],
  signal: AbortSignal,
): Promise<readonly Unhandled[]> {
  const [first] = branches;
  if (first === undefined) return [];
  const { url, organizationId, repositoryKey } = first;
  const context = systemContext(organizationId, 'reconciler');
  const credentials = await store.tenant(context, (tx) => sourceAccess(tx, { url }, 'reconciler'));
  const names = branches.map(({ branch }) => branch);
  const options = { branches: names, credentials, signal, timeoutMs: gitTimeoutMs };
  const heads = await git.listHeads(url, options);
  return await store.tenant(context, async (tx) => {
    const handled = new Map(
      (await listBranchHeads(tx, repositoryKey)).map((row) => [row.branch, row]),
    );
    const unhandled: Unhandled[] = [];
    for (const watched of branches) {
      const { branch } = watched;
      const headSha = heads.get(branch) ?? null;
      const known = handled.get(branch);
      if (known === undefined) {
        await insertBaselineHead(tx, clock.now(), { repositoryKey, branch, sha: headSha });
        continue;
      }
      if (headSha === null || headSha === known.handledSha) continue;
      const handledAtMs = known.handledAt?.epochMilliseconds ?? 0;
      unhandled.push({ watched, headSha, handledSha: known.handledSha, handledAtMs });
    }
    return unhandled;
  });
}

async function heal(deps: HealDeps, head: Unhandled): Promise<void> {
  const { branch, organizationId, repositoryKey } = head.watched;
  const context = systemContext(organizationId, 'reconciler');
  const isMade = await deps.store.tenant(context, (tx) => insertHealing(tx, deps, head));
  if (!isMade) return;
  deps.logger.warn(
    { organizationId, repositoryKey, branch, headSha: head.headSha },
    'a push whose webhook never arrived was found by its head',
  );
}

async function insertHealing(
  tx: TenantTransaction,
  { clock }: HealDeps,
  { watched, headSha, handledSha, handledAtMs }: Unhandled,
): Promise<boolean> {
  const hook = await findManagedWebhook(tx);
  if (hook === null) return false;
  const { branch, repositoryKey, url } = watched;
  return await insertHealingDelivery(tx, clock.now(), {
    incomingWebhookId: hook.id,
    // The same for every replica that notices, another one when the branch moves back and forth.
    providerDeliveryId: `healed ${repositoryKey} ${branch} ${handledAtMs} ${headSha}`,
    body: {
      ref: `refs/heads/${branch}`,
      before: handledSha ?? '0'.repeat(headSha.length),
      after: headSha,
      repository: { url },
    },
  });
}
