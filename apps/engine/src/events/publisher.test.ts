import type { EventBatch } from '@pilotfish/contracts';
import { type ClusterId, newId, systemClock } from '@pilotfish/kernel';
import { createLogger } from '@pilotfish/runtime';
import { expect, onTestFinished, test } from 'vitest';
import { environmentTask, rowOf } from '../../test/tasks.ts';
import { type Execution, toExecution } from '../execution/execution.ts';
import type { EventRow } from '../journal/change.ts';
import { createPublisher } from './publisher.ts';

/** One execution with events up to a sequence, and a bus whose answers the test gives. */
function publishing(publish: (batch: EventBatch) => Promise<void>) {
  const execution: Execution = toExecution(rowOf(environmentTask([])));
  const seen: number[][] = [];
  let connected = true;
  const publisher = createPublisher({
    bus: {
      isConnected: () => connected,
      async publish(batch) {
        seen.push(batch.events.map(({ sequence }) => sequence));
        await publish(batch);
      },
    },
    journal: {
      async readEvents(executionId, after, limit) {
        const rows: EventRow[] = [];
        for (let sequence = after + 1; sequence <= execution.durableSequence; sequence += 1) {
          rows.push({ executionId, sequence, isLine: false, body: JSON.stringify({ sequence }) });
        }
        return rows.slice(0, limit);
      },
    },
    ledger: () => ({ unconfirmed: () => [execution], highestEpoch: () => 1 }),
    clusterId: newId<ClusterId>(),
    clock: systemClock,
    random: () => 0,
    logger: createLogger({ name: 'engine', level: 'silent' }),
  });
  onTestFinished(() => publisher.close());
  return {
    execution,
    seen,
    write(through: number) {
      execution.lastSequence = through;
      execution.durableSequence = through;
      publisher.wake(execution);
    },
    reissue(floor: number) {
      execution.publication += 1;
      execution.confirmedSequence = floor;
      publisher.wake(execution);
    },
    connect(value: boolean) {
      connected = value;
      if (value) publisher.resendAll();
    },
  };
}

test('what becomes durable while a batch is on its way follows it at once', async () => {
  const answers = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  let count = 0;
  const { seen, write } = publishing(() => answers[count++]!.promise);
  write(2);
  await expect.poll(() => seen).toEqual([[1, 2]]);
  write(5);
  answers[0]!.resolve();
  await expect
    .poll(() => seen)
    .toEqual([
      [1, 2],
      [3, 4, 5],
    ]);
  answers[1]!.resolve();
});

test('a reissue while a batch is on its way begins again from its floor', async () => {
  const first = Promise.withResolvers<void>();
  let count = 0;
  const { seen, write, reissue } = publishing(async () => {
    count += 1;
    if (count === 1) await first.promise;
  });
  write(3);
  await expect.poll(() => seen.length).toBe(1);
  reissue(1);
  await expect
    .poll(() => seen)
    .toEqual([
      [1, 2, 3],
      [2, 3],
    ]);
  first.resolve();
  write(4);
  await expect.poll(() => seen.at(-1)).toEqual([4]);
});

test('a reconnect publishes everything unconfirmed once more', async () => {
  const { execution, seen, write, connect } = publishing(async () => {});
  write(3);
  await expect.poll(() => seen).toEqual([[1, 2, 3]]);
  execution.confirmedSequence = 1;
  connect(false);
  write(4);
  connect(true);
  await expect.poll(() => seen.at(-1)).toEqual([2, 3, 4]);
});
