import { type ExecutionId, newId } from '@pilotfish/kernel';
import { expect, test } from 'vitest';
import type { EventRow } from '../journal/change.ts';
import { nextBatch } from './next-batch.ts';

const executionId = newId<ExecutionId>();
const now = Temporal.Instant.from('2026-11-20T00:00:00Z');

function row(sequence: number, text = 'x'): EventRow {
  return { executionId, sequence, isLine: true, body: JSON.stringify({ sequence, text }) };
}

test('events go out consecutively, up to what is durable', () => {
  const rows = [row(3), row(4), row(5)];
  const batch = nextBatch({ rows, after: 2, through: 4, now });
  expect(batch.map(({ sequence }) => sequence)).toEqual([3, 4]);
});

test('lines that were released are replaced, so that no number is missing', () => {
  const batch = nextBatch({ rows: [row(6)], after: 2, through: 6, now });
  expect(batch.map(({ sequence }) => sequence)).toEqual([3, 4, 5, 6]);
  expect(batch[0]).toMatchObject({ kind: 'line', text: expect.stringContaining('no longer kept') });
});

test('where all of the rest was released, the rest is replaced', () => {
  const batch = nextBatch({ rows: [], after: 2, through: 4, now });
  expect(batch.map(({ sequence }) => sequence)).toEqual([3, 4]);
});

test('a batch stays below the size of a message, and holds at least one event', () => {
  const rows = Array.from({ length: 30 }, (_, index) => row(index + 1, 'y'.repeat(16_000)));
  const batch = nextBatch({ rows, after: 0, through: 30, now });
  expect(JSON.stringify(batch).length).toBeLessThan(220 * 1024);
  expect(batch.length).toBeGreaterThan(5);
  const one = nextBatch({ rows: [row(1, 'z'.repeat(300_000))], after: 0, through: 1, now });
  expect(one).toHaveLength(1);
});
