import type { Bus } from '@pilotfish/bus';
import { messages } from '@pilotfish/contracts';
import { type ExecutionId, type OrganizationId, toFault } from '@pilotfish/kernel';
import type { Logger } from '@pilotfish/runtime';
import { getExecution, type Store } from '@pilotfish/store';
import { systemContext } from './system-context.ts';

export interface AskToCancelDeps {
  readonly store: Store;
  readonly bus: Pick<Bus, 'request'>;
  readonly logger: Logger;
}

const answerMs = 2000;

/**
 * `canceling`: the engine stops it, or it has ended; `unknown`: the engine answered that it has no
 * such execution (yet); `unreachable`: no answer.
 */
export type CancelAnswer = 'canceling' | 'unknown' | 'unreachable';

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
  const execution = await store.tenant(context, (tx) => getExecution(tx, executionId));
  if (execution.status !== 'CANCELING') return 'canceling';
  const { clusterId, cancelForced: force } = execution;
  try {
    const reply = await bus.request(
      messages.control,
      { clusterId },
      { kind: 'cancel', executionId, force },
      { timeoutMs: answerMs },
    );
    if (reply.kind === 'canceling') return reply.known ? 'canceling' : 'unknown';
  } catch (thrown) {
    logger.info({ err: toFault(thrown), executionId }, 'the engine was not asked to cancel');
  }
  return 'unreachable';
}
