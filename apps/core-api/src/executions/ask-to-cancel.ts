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
 * Tells an execution's engine at once what Postgres says already: stop. Best effort: where the
 * engine is not reached, the reconciler asks again until the engine reports the end.
 *
 * @returns false where the engine did not answer, or does not know the execution (yet)
 */
export async function askToCancel(
  { store, bus, logger }: AskToCancelDeps,
  organizationId: OrganizationId,
  executionId: ExecutionId,
): Promise<boolean> {
  const context = systemContext(organizationId, 'cancel');
  const execution = await store.tenant(context, (tx) => getExecution(tx, executionId));
  if (execution.status !== 'CANCELING') return true;
  const { clusterId, cancelForced: force } = execution;
  try {
    const reply = await bus.request(
      messages.control,
      { clusterId },
      { kind: 'cancel', executionId, force },
      { timeoutMs: answerMs },
    );
    return reply.kind === 'canceling' && reply.known;
  } catch (thrown) {
    logger.info({ err: toFault(thrown), executionId }, 'the engine was not asked to cancel');
    return false;
  }
}
