import { messages } from '@pilotfish/contracts';
import type { Origin } from '@pilotfish/contracts/http';
import { type ClusterId, type ExecutionId, Fault } from '@pilotfish/kernel';
import { getExecution, type TenantTransaction } from '@pilotfish/store';
import type { ApiDeps } from '../api/call.ts';
import { type ExecutionRequest, enqueueExecution } from './enqueue-execution.ts';

/** What of a call is needed to ask for an execution. */
export interface RequestingCall {
  readonly now: Temporal.Instant;
  readonly origin: Origin;
  afterCommit(effect: () => Promise<void> | void): void;
}

/** How long an answer may wait for an engine to hear of a cancel; the reconciler repeats it. */
const cancelMsMax = 500;

/**
 * Queues an execution that somebody asked for by the API, and rings those who carry it on.
 *
 * @throws Fault `conflict` where the environment's queue refuses it
 */
export async function requestExecution(
  call: RequestingCall,
  deps: Pick<ApiDeps, 'bus'>,
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
    const { clusterId } = await getExecution(tx, canceling);
    call.afterCommit(() => tellEngineToCancel(deps, clusterId, canceling, false));
  }
  return executionId;
}

/** Tells the engine at once what the database holds already, if it can be reached. */
export async function tellEngineToCancel(
  { bus }: Pick<ApiDeps, 'bus'>,
  clusterId: ClusterId,
  executionId: ExecutionId,
  force: boolean,
): Promise<void> {
  await bus.request(
    messages.control,
    { clusterId },
    { kind: 'cancel', executionId, force },
    { timeoutMs: cancelMsMax },
  );
}
