/**
 * The ingester: what engines report, Postgres holds, and then the engine is told that it does.
 *
 * A batch of messages → grouped by execution → each group one transaction → `confirmed` to each
 * cluster → the messages are acknowledged. Killed in between, JetStream delivers the batch again and
 * the sequence finds nothing new; an engine forgets nothing before it hears `confirmed`.
 */
import type { Bus, Received } from '@pilotfish/bus';
import { type EventBatch, messages } from '@pilotfish/contracts';
import { type Clock, type ClusterId, type ExecutionId, toFault } from '@pilotfish/kernel';
import { inSpan } from '@pilotfish/runtime';
import { dayOf, ensurePartitions } from '@pilotfish/store';
import { type IngestDeps, ingestBatches } from '../ingest/ingest-batches.ts';
import { createEpochWatch } from '../reconcile/watch-epochs.ts';
import type { Role } from './role.ts';

/** Messages per batch; each holds up to 500 events. */
const batchMax = 100;
/** Executions committed side by side, bounded by the connections. */
const lanes = 4;

export interface IngesterDeps extends IngestDeps {
  readonly bus: Pick<Bus, 'consume' | 'ring'>;
  readonly clock: Clock;
}

export const ingesterRole: Role = async (deps) => startIngester(deps);

export function startIngester(deps: IngesterDeps): { close(): Promise<void> } {
  const epochs = createEpochWatch(deps);
  const today = createDayKeeper(deps);
  const consumption = deps.bus.consume(messages.events, {
    durable: 'ingester',
    batchMax,
    handle: async (batch) => {
      for (const { parameters, body } of batch) {
        epochs.show(parameters.clusterId as ClusterId, body.epoch);
      }
      await epochs.settled();
      await today.ensure();
      await handleBatch(deps, batch);
    },
  });
  return { close: () => consumption.close() };
}

/**
 * Makes sure, once a day, that there is a partition for what will be written: a database that was
 * restored or slept for longer than its partitions reach would refuse every event.
 */
function createDayKeeper({ store, clock }: Pick<IngesterDeps, 'store' | 'clock'>) {
  let ensured: string | null = null;
  return {
    async ensure(): Promise<void> {
      const now = clock.now();
      const today = dayOf(now).toString();
      if (today === ensured) return;
      await store.system('worker', (tx) => ensurePartitions(tx, now));
      ensured = today;
    },
  };
}

type EventMessage = Received<typeof messages.events.subject, EventBatch>;
type HandleDeps = Omit<IngesterDeps, 'bus'> & { readonly bus: Pick<Bus, 'ring'> };

/** @throws a retryable Fault where the batch is to be delivered again */
export async function handleBatch(
  deps: HandleDeps,
  received: readonly EventMessage[],
): Promise<void> {
  const groups = [...Map.groupBy(received, (m) => m.parameters.executionId).values()];
  const confirmed = new Map<string, { executionId: ExecutionId; sequence: number }[]>();
  let released = false;
  const lane = async () => {
    for (let group = groups.pop(); group !== undefined; group = groups.pop()) {
      const result = await ingestGroup(deps, group);
      const [first] = group;
      if (first === undefined || result === null) continue;
      released ||= result.released;
      if (result.confirmedSequence === null) continue;
      const { clusterId } = first.parameters;
      const list = confirmed.get(clusterId) ?? [];
      list.push({
        executionId: first.parameters.executionId as ExecutionId,
        sequence: result.confirmedSequence,
      });
      confirmed.set(clusterId, list);
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  for (const [clusterId, list] of confirmed) {
    deps.bus.ring(messages.confirmed, { clusterId }, { confirmed: list });
  }
  if (released) deps.bus.ring(messages.outboxWritten, {}, {});
}

/** Null where the group can never be committed: it must not hold up everybody else's events. */
async function ingestGroup(deps: HandleDeps, group: readonly EventMessage[]) {
  const [first] = group;
  if (first === undefined) return null;
  const { clusterId, executionId } = first.parameters;
  const { trace } = first.body;
  const attributes = { 'pilotfish.execution': executionId };
  try {
    return await inSpan('ingest events', { parent: trace, kind: 'consumer', attributes }, () =>
      ingestBatches(
        deps,
        deps.clock.now(),
        clusterId as ClusterId,
        executionId as ExecutionId,
        group.map((message) => message.body),
      ),
    );
  } catch (thrown) {
    const fault = toFault(thrown);
    if (fault.retryable) throw fault;
    const { internal } = fault;
    deps.logger.error({ err: fault, internal, executionId, trace }, 'events are refused');
    return null;
  }
}
