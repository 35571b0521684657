import { type Bus, envelope } from '@pilotfish/bus';
import { type ExecutionIssue, messages } from '@pilotfish/contracts';
import { type ExecutionId, type OrganizationId, toFault } from '@pilotfish/kernel';
import type { Logger } from '@pilotfish/runtime';
import {
  type ExecutionRow,
  getCluster,
  getExecution,
  readEpoch,
  type Store,
  type TenantTransaction,
} from '@pilotfish/store';
import { systemContext } from './system-context.ts';

export interface AskToCancelDeps {
  readonly store: Store;
  readonly bus: Pick<Bus, 'request'>;
  readonly logger: Logger;
}

const answerMs = 2000;

/**
 * `canceling`: the engine stops it, or it has ended; `unknown`: the engine answered that it has lost
 * what somebody reported on; `failed`: it could not; `unreachable`: no answer.
 */
export type CancelAnswer = 'canceling' | 'unknown' | 'failed' | 'unreachable';

/**
 * Tells an execution's engine at once what Postgres says already: stop. Best effort: where the
 * engine is not reached, the reconciler asks again until the engine reports the end.
 */
export async function askToCancel(
  { store, bus, logger }: AskToCancelDeps,
  organizationId: OrganizationId,
  executionId: ExecutionId,
): Promise<CancelAnswer> {
  const context = systemContext(organizationId, 'cancel');
  const { execution, issue } = await store.tenant(context, async (tx) => {
    const row = await getExecution(tx, executionId);
    return { execution: row, issue: row.reportedAt === null ? await issueOf(tx, row) : null };
  });
  if (execution.status !== 'CANCELING') return 'canceling';
  const { clusterId, cancelForced: force } = execution;
  try {
    const reply = await bus.request(
      messages.control,
      { clusterId },
      { kind: 'cancel', executionId, force, ...(issue === null ? {} : { issue }) },
      { timeoutMs: answerMs },
    );
    if (reply.kind === 'canceling') return reply.known ? 'canceling' : 'unknown';
    logger.warn({ reply, executionId }, 'the engine cannot cancel');
    return 'failed';
  } catch (thrown) {
    logger.info({ err: toFault(thrown), executionId }, 'the engine was not asked to cancel');
    return 'unreachable';
  }
}

/**
 * What its task says of it: the engine that has not pulled it, since all its slots are busy, ends it
 * by that. Not once an engine has reported on it: events of that engine, which may be under way, and
 * the end that another would tell have the same numbers.
 */
async function issueOf(tx: TenantTransaction, execution: ExecutionRow): Promise<ExecutionIssue> {
  const { id, generation, attempt, trace, organizationId, projectId, environmentId } = execution;
  // Whom it was meant for is of no matter: only the present engine's report will count.
  const { lease } = await getCluster(tx, execution.clusterId);
  const epoch = await readEpoch(tx);
  return {
    ...envelope({ id, epoch, generation, lease, attempt, trace: trace ?? undefined }),
    organizationId,
    projectId,
    environmentId,
    sequenceFloor: execution.confirmedSequence,
  };
}
