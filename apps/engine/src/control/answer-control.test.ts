import { newId, type ServiceId } from '@pilotfish/kernel';
import { expect, test } from 'vitest';
import { answerControl, type ControlDeps } from './answer-control.ts';

const text = 'x'.repeat(16 * 1024);
const kept = Array.from({ length: 500 }, (_, index) => ({
  sequence: index + 1,
  at: '2026-11-20T00:00:00.000Z',
  instance: 'a',
  version: 'v1',
  stream: 'stdout' as const,
  text,
}));
const deps: ControlDeps = {
  ledger: {} as ControlDeps['ledger'],
  isolation: 'T0',
  logs: {
    async read(_, { after, limit }) {
      const lines = after === undefined ? kept.slice(-limit) : kept.slice(after, after + limit);
      return { lines, oldestSequence: 1, newestSequence: 500 };
    },
    async *follow() {},
  },
  present: () => undefined,
};

test('long lines are answered in replies that fit into a message, and can be paged through', async () => {
  const read = { kind: 'read_logs' as const, serviceId: newId<ServiceId>(), limit: 500 };
  const newest = await answerControl(deps, read);
  if (newest.kind !== 'log_lines') throw new Error(newest.kind);
  expect(JSON.stringify(newest).length).toBeLessThan(256 * 1024);
  expect(newest.lines.at(-1)?.sequence).toBe(500);
  const read500: number[] = [];
  while (read500.length < 500) {
    const page = await answerControl(deps, { ...read, afterSequence: read500.at(-1) ?? 0 });
    if (page.kind !== 'log_lines') throw new Error(page.kind);
    expect(JSON.stringify(page).length).toBeLessThan(256 * 1024);
    expect(page.lines.length).toBeGreaterThan(0);
    read500.push(...page.lines.map(({ sequence }) => sequence));
  }
  expect(read500).toEqual(kept.map(({ sequence }) => sequence));
});
