/**
 * Executions that nobody reports on, and queues that stand still. NATS may have been wiped, an
 * engine may have lost its journal, a replica may have died between two steps that should have been
 * one: all look the same from here, and are mended the same way.
 */
import type { StreamState } from '@pilotfish/bus';
import { messages } from '@pilotfish/contracts';
import { type ClusterId, type ExecutionId, toFault } from '@pilotfish/kernel';
import {
  type ExecutionRow,
  listOpenExecutions,
  listPublished,
  listStuckEnvironments,
  listUnreported,
  lockEnvironment,
  writeOutbox,
} from '@pilotfish/store';
import { reissueExecution } from '../executions/reissue-execution.ts';
import { isHandedOut, releaseNext } from '../executions/release-next.ts';
import { systemContext } from '../executions/system-context.ts';
import type { ReconcileDeps } from './deps.ts';

/** Longer than a task usually waits for its first report once it was taken from the stream. */
const unreportedSeconds = 30;
/** What was published a moment ago may be on its way between stream and journal. */
const settleSeconds = 5;

type MendDeps = Pick<ReconcileDeps, 'store' | 'bus' | 'clock' | 'logger'>;

/** Issues again what was published, is not waiting in the stream, and was never reported on. */
export async function reissueUnreported(deps: MendDeps): Promise<void> {
  const before = deps.clock.now().subtract({ seconds: unreportedSeconds });
  const silent = await deps.store.system('worker', (tx) => listUnreported(tx, before));
  await reissueLost(deps, silent);
}

/**
 * After a cluster's engine said which executions it has in its journal: what it was given and does
 * not know is lost.
 */
export async function reissueUnknown(
  deps: MendDeps,
  clusterId: ClusterId,
  known: readonly ExecutionId[],
): Promise<void> {
  const before = deps.clock.now().subtract({ seconds: settleSeconds });
  const published = await deps.store.system('worker', (tx) => listPublished(tx, clusterId, before));
  const journalled = new Set(known);
  await reissueLost(
    deps,
    published.filter(({ id }) => !journalled.has(id)),
  );
}

/**
 * After the streams were lost with everything in them: at once, what no engine has reported on; of
 * the rest the engines know.
 */
export async function reissueAfterWipe(
  deps: MendDeps,
  states: readonly StreamState[],
): Promise<void> {
  if (!states.some(({ name }) => name === 'TASKS')) return;
  const silent = await deps.store.system('worker', (tx) => listUnreported(tx, deps.clock.now()));
  await reissueLost(deps, silent);
}

async function reissueLost(deps: MendDeps, candidates: readonly ExecutionRow[]): Promise<void> {
  let reissued = 0;
  for (const [clusterId, executions] of Map.groupBy(candidates, (e) => e.clusterId)) {
    const waiting = await deps.bus.waitingTasks(clusterId);
    for (const execution of executions) {
      if (waiting.has(execution.environmentId)) continue;
      if (await reissueOne(deps, execution)) reissued += 1;
    }
  }
  if (reissued > 0) deps.bus.ring(messages.outboxWritten, {}, {});
}

async function reissueOne(
  { store, clock, logger }: MendDeps,
  execution: ExecutionRow,
): Promise<boolean> {
  const { id: executionId, attempt, organizationId } = execution;
  const context = systemContext(organizationId, 'reconciler', execution.trace);
  try {
    const isReissued = await store.system('worker', async (tx) =>
      reissueExecution(await tx.asTenant(context), clock.now(), execution),
    );
    if (isReissued)
      logger.warn({ executionId, attempt: attempt + 1 }, 'an execution is issued again');
    return isReissued;
  } catch (thrown) {
    logger.error({ err: toFault(thrown), executionId }, 'an execution cannot be issued again');
    return false;
  }
}

/** Releases heads of queues that were never released, and announces what never reached the outbox. */
export async function moveStuckQueues({ store, bus, clock, logger }: MendDeps): Promise<void> {
  const stuck = await store.system('worker', listStuckEnvironments);
  for (const { id, organizationId } of stuck) {
    await store.system('worker', async (tx) => {
      const tenant = await tx.asTenant(systemContext(organizationId, 'reconciler'));
      const environment = await lockEnvironment(tenant, id);
      if ((await releaseNext(tenant, clock.now(), environment)) !== null) return;
      const open = await listOpenExecutions(tenant, id);
      const unannounced = open.find((one) => isHandedOut(one) && one.publishedAt === null);
      if (unannounced !== undefined) await writeOutbox(tenant, clock.now(), unannounced);
    });
    logger.warn({ environmentId: id }, 'a queue that stood still was moved on');
  }
  if (stuck.length > 0) bus.ring(messages.outboxWritten, {}, {});
}
