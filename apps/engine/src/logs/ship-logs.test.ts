import type { LogBatch } from '@pilotfish/contracts';
import { newId, type ServiceId, systemClock } from '@pilotfish/kernel';
import { createLogger } from '@pilotfish/runtime';
import { expect, onTestFinished, test } from 'vitest';
import type { JournalChange } from '../journal/change.ts';
import type { ApplicationLogs, LogPosition } from './application-logs.ts';
import { shipLogs } from './ship-logs.ts';

const serviceId = newId<ServiceId>();

/** A source that keeps the lines from `oldest` to `newest`. */
function source(oldest: number, newest: number, text = 'x'.repeat(1000)): ApplicationLogs {
  const all = Array.from({ length: newest - oldest + 1 }, (_, index) => ({
    sequence: oldest + index,
    at: '2026-11-20T00:00:00.000Z',
    instance: 'a',
    version: 'v1',
    stream: 'stdout' as const,
    text,
  }));
  const positions: readonly LogPosition[] = [{ serviceId, newestSequence: newest }];
  return {
    async read(_, { after = 0, limit }) {
      const lines = all.filter(({ sequence }) => sequence > after).slice(0, limit);
      return { lines, oldestSequence: oldest, newestSequence: newest };
    },
    async *follow(signal) {
      yield positions;
      await systemClock.sleep(60_000, signal);
    },
  };
}

function ship(logs: ApplicationLogs, cursor?: number) {
  const batches: LogBatch[] = [];
  const changes: JournalChange[] = [];
  let connected = true;
  const shipper = shipLogs({
    logs,
    publish: async (batch) => {
      if (!connected) throw new Error('away');
      batches.push(batch);
    },
    isConnected: () => connected,
    journal: {
      async commit(more) {
        changes.push(...more);
      },
    },
    cursors: cursor === undefined ? [] : [{ serviceId, sequence: cursor }],
    clock: systemClock,
    logger: createLogger({ name: 'engine', level: 'silent' }),
  });
  onTestFinished(() => shipper.close());
  return {
    shipper,
    changes,
    batches,
    lines: () => batches.flatMap(({ lines }) => lines),
    connect(value: boolean) {
      connected = value;
      shipper.wake();
    },
  };
}

test('lines are sent once and in order from the cursor on, in messages that fit', async () => {
  const { lines, batches } = ship(source(1, 450), 7);
  await expect.poll(() => lines().length).toBe(443);
  expect(lines().map(({ sequence }) => sequence)).toEqual(
    Array.from({ length: 443 }, (_, index) => index + 8),
  );
  for (const batch of batches) expect(JSON.stringify(batch).length).toBeLessThan(256 * 1024);
});

test('lines that grow in JSON are sent in messages that fit', async () => {
  const { lines, batches } = ship(source(1, 30, '\u0001'.repeat(16 * 1024)), 0);
  await expect.poll(() => lines().length).toBe(30);
  for (const batch of batches) expect(JSON.stringify(batch).length).toBeLessThan(256 * 1024);
});

test('lines that are gone are replaced by a mark', async () => {
  const { lines } = ship(source(101, 103), 40);
  await expect.poll(() => lines().length).toBe(4);
  expect(lines()[0]).toMatchObject({
    sequence: 100,
    stream: 'platform',
    text: '60 lines were dropped before they could be sent',
  });
});

test('a service that nobody has sent of begins with its newest lines', async () => {
  const { lines } = ship(source(1, 700));
  await expect.poll(() => lines().length).toBe(500);
  expect(lines()[0]?.sequence).toBe(201);
});

test('a service that was deleted and made anew is sent from its first line', async () => {
  const { lines } = ship(source(1, 3), 900);
  await expect.poll(() => lines().map(({ sequence }) => sequence)).toEqual([1, 2, 3]);
});

test('while there is no connection lines wait, and the cursor is kept when it ends', async () => {
  const shipping = ship(source(1, 5), 0);
  shipping.connect(false);
  await expect.poll(() => shipping.lines().length).toBeLessThanOrEqual(5);
  shipping.connect(true);
  await expect.poll(() => shipping.lines().at(-1)?.sequence).toBe(5);
  await shipping.shipper.close();
  expect(shipping.changes).toEqual([{ kind: 'log_cursor_moved', serviceId, sequence: 5 }]);
});
