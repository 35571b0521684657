import { expect, test } from 'vitest';
import { parseStat, readEnvironment, readProcess } from './process-table.ts';

test('a command name with spaces and brackets does not shift the fields', () => {
  const rest = Array.from({ length: 49 }, (_, index) => String(index + 100)).join(' ');
  expect(parseStat(`42 (a) b (c) S ${rest}`)).toEqual({
    ...{ pid: 42, state: 'S', parentPid: 100, groupId: 101, sessionId: 102 },
    startTicks: 118,
    waitStatus: 148,
  });
  expect(parseStat('')).toBeNull();
});

test('this process is found with its parent and its variables', () => {
  expect(readProcess(process.pid)).toMatchObject({ pid: process.pid, parentPid: process.ppid });
  expect(readEnvironment(process.pid, ['PATH', 'NO_SUCH_VARIABLE'])).toEqual({});
  expect(readEnvironment(process.pid, ['PATH']).PATH).toBeTypeOf('string');
  expect(readProcess(2 ** 22 + 1)).toBeNull();
});
