import { messages } from '@pilotfish/contracts';
import { type ClusterId, toFault } from '@pilotfish/kernel';
import { type ExecutionRow, listCanceling } from '@pilotfish/store';
import { askToCancel } from '../executions/ask-to-cancel.ts';
import { endExecution } from '../executions/end-execution.ts';
import { systemContext } from '../executions/system-context.ts';
import type { ReconcileDeps } from './deps.ts';

/** What was published a moment ago may be on its way between stream and journal. */
const settleSeconds = 5;
/** Asked side by side. */
const lanes = 8;

type CancelDeps = Pick<ReconcileDeps, 'store' | 'bus' | 'clock' | 'logger'>;

/**
 * Repeats cancels until the engine has carried them out. Nobody ends for it what it may have: a task
 * that left the stream may be in the hands of an engine that does not answer just now, and the stream
 * itself may come back older than it was. So without an engine a cancel waits, and says so.
 */
export async function repeatCancels(deps: CancelDeps): Promise<void> {
  const canceling = await deps.store.system('worker', (tx) => listCanceling(tx));
  await repeatAll(deps, canceling);
}

/** Before an engine's hello is answered, and thus before it pulls what was canceled meanwhile. */
export async function repeatCancelsOf(deps: CancelDeps, clusterId: ClusterId): Promise<void> {
  try {
    await repeatAll(deps, await deps.store.system('worker', (tx) => listCanceling(tx, clusterId)));
  } catch (error) {
    deps.logger.warn({ err: toFault(error), clusterId }, 'cancels will be repeated later');
  }
}

/** An engine that is away costs its own cancels the wait for an answer, and not everybody's. */
async function repeatAll(deps: CancelDeps, canceling: readonly ExecutionRow[]): Promise<void> {
  const clusters = [...Map.groupBy(canceling, ({ clusterId }) => clusterId).values()];
  const lane = async () => {
    for (let executions = clusters.pop(); executions !== undefined; executions = clusters.pop()) {
      for (const execution of executions) {
        if ((await repeatOne(deps, execution)) === 'unreachable') break;
      }
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
}

async function repeatOne(deps: CancelDeps, execution: ExecutionRow) {
  const { store, bus, clock, logger } = deps;
  const { id: executionId, organizationId, publishedAt, clusterId, environmentId } = execution;
  const answer = await askToCancel(deps, organizationId, executionId);
  if (answer !== 'unknown' || publishedAt === null) return answer;
  const settled = clock.now().subtract({ seconds: settleSeconds });
  if (Temporal.Instant.compare(publishedAt, settled) > 0) return answer;
  if ((await bus.waitingTasks(clusterId)).has(environmentId)) return answer;
  // Between question and look it may have gone from the stream into the journal.
  if ((await askToCancel(deps, organizationId, executionId)) !== 'unknown') return answer;
  await store.system('worker', async (tx) => {
    const tenant = await tx.asTenant(systemContext(organizationId, 'reconciler'));
    const { explanation } = execution;
    await endExecution(tenant, clock.now(), execution, { status: 'CANCELED', explanation });
  });
  logger.info({ executionId }, 'a canceled execution that its engine has lost was ended');
  bus.ring(messages.outboxWritten, {}, {});
  return answer;
}
