import { messages } from '@pilotfish/contracts';
import type { Origin } from '@pilotfish/contracts/http';
import { type ExecutionId, Fault } from '@pilotfish/kernel';
import type { TenantTransaction } from '@pilotfish/store';
import type { ApiDeps } from '../api/call.ts';
import { askToCancel } from '../executions/ask-to-cancel.ts';
import { type ExecutionRequest, enqueueExecution } from './enqueue-execution.ts';

/** What of a call is needed to ask for an execution. */
export interface RequestingCall {
  readonly now: Temporal.Instant;
  readonly origin: Origin;
  afterCommit(effect: () => unknown): void;
}

/**
 * Queues an execution that somebody asked for by the API, and rings those who carry it on.
 *
 * @throws Fault `conflict` where the environment's queue refuses it
 */
export async function requestExecution(
  call: RequestingCall,
  deps: Pick<ApiDeps, 'store' | 'bus' | 'logger'>,
  tx: TenantTransaction,
  request: Omit<ExecutionRequest, 'origin' | 'clientOrigin'>,
): Promise<ExecutionId> {
  const outcome = await enqueueExecution(tx, call.now, {
    ...request,
    origin: 'API',
    clientOrigin: call.origin,
  });
  if (outcome.kind === 'refused') throw new Fault('conflict', outcome.reason);
  const { released, canceling, executionId } = outcome;
  if (released) call.afterCommit(() => deps.bus.ring(messages.outboxWritten, {}, {}));
  if (canceling !== null) {
    call.afterCommit(() => askToCancel(deps, tx.organizationId, canceling));
  }
  return executionId;
}
