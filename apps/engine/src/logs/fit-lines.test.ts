import type { LogLine } from '@pilotfish/contracts';
import { limits } from '@pilotfish/kernel';
import { expect, test } from 'vitest';
import { fitLines } from './fit-lines.ts';

function line(sequence: number, text: string): LogLine {
  const at = '2026-11-20T00:00:00.000Z';
  return { sequence, at, instance: 'a', version: 'v1', stream: 'stdout', text };
}

test.for([
  ['letters', 'x'],
  ['characters of several bytes', '🐟'],
  ['what JSON escapes', '\u0001'],
])('the longest lines of %s fit into one message', ([, character = '']) => {
  const text = character.repeat((16 * 1024) / Buffer.byteLength(character));
  const lines = Array.from({ length: 500 }, (_, index) => line(index + 1, text));
  const first = fitLines(lines, 'oldest');
  const last = fitLines(lines, 'newest');
  for (const fitting of [first, last]) {
    expect(fitting.length).toBeGreaterThan(0);
    expect(Buffer.byteLength(JSON.stringify({ kind: 'log_lines', lines: fitting }))).toBeLessThan(
      limits.messageBytesMax,
    );
  }
  expect(first).toEqual(lines.slice(0, first.length));
  expect(last).toEqual(lines.slice(-last.length));
});

test('short lines all fit, and one line is always taken', () => {
  const lines = Array.from({ length: 500 }, (_, index) => line(index + 1, 'short'));
  expect(fitLines(lines, 'newest')).toEqual(lines);
  expect(fitLines(lines, 'oldest', 1)).toEqual(lines.slice(0, 1));
  expect(fitLines(lines, 'newest', 1)).toEqual(lines.slice(-1));
});
