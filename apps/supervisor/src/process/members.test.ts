import { expect, test } from 'vitest';
import { membersOf } from './members.ts';
import type { ProcessEntry } from './process-table.ts';

function entry(pid: number, change: Partial<ProcessEntry> = {}): ProcessEntry {
  return {
    ...{ pid, parentPid: 1, groupId: pid, sessionId: pid, state: 'S' },
    ...{ startTicks: 100 + pid, waitStatus: 0 },
    ...change,
  };
}

const leader = { pid: 10, startTicks: 110, bootId: 'boot' };

function pidsOf(table: ProcessEntry[], marked: number[] = [], query = { leader }): number[] {
  const isMarked = ({ pid }: ProcessEntry) => marked.includes(pid);
  return membersOf(table, { ...query, isMarked, exceptPids: [5] })
    .map(({ pid }) => pid)
    .toSorted((a, b) => a - b);
}

test('session, group, mark and descent each make a member', () => {
  const table = [
    entry(10),
    entry(11, { sessionId: 10 }),
    entry(12, { groupId: 10 }),
    entry(13),
    entry(14, { parentPid: 13 }),
    entry(15, { parentPid: 14 }),
    entry(16),
    entry(17, { sessionId: 10, state: 'Z' }),
  ];
  expect(pidsOf(table, [13])).toEqual([10, 11, 12, 13, 14, 15]);
});

test('another process that got the number of the first one is left alone with its session', () => {
  const table = [entry(10, { startTicks: 999 }), entry(11, { sessionId: 10, parentPid: 10 })];
  expect(pidsOf(table)).toEqual([]);
});

test('what a dead first process left in its session is still found', () => {
  expect(pidsOf([entry(11, { sessionId: 10 })])).toEqual([11]);
});

test('the supervisor and init are never members', () => {
  expect(pidsOf([entry(1), entry(5)], [1, 5])).toEqual([]);
});
