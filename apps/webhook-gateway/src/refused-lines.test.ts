import type { Clock } from '@pilotfish/kernel';
import { createLogger } from '@pilotfish/runtime';
import { expect, test } from 'vitest';
import { createRefusedLines } from './refused-lines.ts';

function scene() {
  let ms = 1_000_000;
  const clock: Clock = {
    now: () => Temporal.Instant.fromEpochMilliseconds(ms),
    monotonicMs: () => ms,
    sleep: () => Promise.reject(new Error('nobody sleeps here')),
  };
  const lines: Record<string, unknown>[] = [];
  const write = (line: string) => void lines.push(JSON.parse(line) as Record<string, unknown>);
  const logger = createLogger({ name: 'test', level: 'info', destination: { write } });
  const tell = createRefusedLines({ clock, logger });
  return {
    lines,
    refuse: (hookId: string, provider = 'GITHUB') =>
      tell({ hookId, provider, trace: 'x' }, () => '192.0.2.1'),
    turn(byMs: number) {
      ms += byMs;
    },
  };
}

test('a line says which webhook, and who sent', () => {
  const { lines, refuse } = scene();
  refuse('one');
  const line = { hookId: 'one', provider: 'GITHUB', address: '192.0.2.1' };
  expect(lines).toMatchObject([{ level: 'info', msg: 'a signature was refused', ...line }]);
});

test('a flood is a few lines, and the next one says how many were left out', () => {
  const { lines, refuse, turn } = scene();
  for (let n = 0; n < 1000; n += 1) refuse('one');
  expect(lines).toHaveLength(2);
  turn(5000);
  refuse('one');
  expect(lines[2]).toMatchObject({ leftOut: 998 });
});

test('webhooks that do not exist are one, however many, and keep out none that does', () => {
  const { lines, refuse } = scene();
  for (let n = 0; n < 1000; n += 1) refuse(`${'x'.repeat(100)}${n}`, 'unknown');
  expect(lines.map(({ hookId }) => hookId)).toEqual(['x'.repeat(36), 'x'.repeat(36)]);
  refuse('one');
  expect(lines[2]).toMatchObject({ hookId: 'one' });
  for (let n = 0; n < 1000; n += 1) refuse(`known ${n}`);
  expect(lines).toHaveLength(20);
});
