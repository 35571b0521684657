import type { ExecutionEvent, Explanation, ServiceProgress } from '@pilotfish/contracts';
import { type ExecutionId, systemClock } from '@pilotfish/kernel';
import { createLogger } from '@pilotfish/runtime';
import {
  ensurePartitions,
  getExecution,
  listExecutionServices,
  type Store,
  type TenantContext,
} from '@pilotfish/store';
import { ingestBatches } from '../src/ingest/ingest-batches.ts';
import { batchOf } from './engine.ts';

const logger = createLogger({ name: 'test', level: 'silent' });

export interface ReportedEnd {
  readonly outcome: 'SUCCEEDED' | 'FAILED' | 'CANCELED';
  /** Of each of its services. */
  readonly progress: ServiceProgress;
  readonly explanation?: Explanation;
}

/** The engine reports that an execution ended, and all of its services with it, in one batch. */
export async function reportEnd(
  store: Store,
  context: TenantContext,
  executionId: ExecutionId,
  { outcome, progress, explanation }: ReportedEnd,
): Promise<void> {
  const now = systemClock.now();
  await store.system('worker', (tx) => ensurePartitions(tx, now));
  const { execution, parts } = await store.tenant(context, async (tx) => ({
    execution: await getExecution(tx, executionId),
    parts: await listExecutionServices(tx, [executionId]),
  }));
  const at = now.toString();
  const events: ExecutionEvent[] = [
    { kind: 'execution_started', sequence: 1, at },
    ...parts.map(({ serviceId, stageId }, index) => ({
      kind: 'service_progressed' as const,
      ...{ sequence: index + 2, at, stageId, serviceId, progress },
      ...(explanation && { explanation }),
    })),
    {
      kind: 'execution_ended',
      ...{ sequence: parts.length + 2, at, outcome, summary: 'It ended.', isolation: 'T0' },
    },
  ];
  const batch = batchOf({ ...execution, epoch: 1, executionId }, events);
  await ingestBatches({ store, logger }, now, execution.clusterId, executionId, [batch]);
}
