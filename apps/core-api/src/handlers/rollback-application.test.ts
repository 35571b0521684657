import type { ReleaseConfig } from '@pilotfish/contracts';
import type { VariableId } from '@pilotfish/kernel';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { compareVariables } from './rollback-application.ts';

type Config = Pick<ReleaseConfig, 'variables' | 'secrets'>;
const variableId = '0199aaaa-0000-7000-8000-000000000001' as VariableId;

test('a secret that became plain, or got another value, is a change', () => {
  const before: Config = { variables: {}, secrets: { A: { variableId, version: 1 } } };
  expect(compareVariables(before, { variables: { A: 'x' }, secrets: {} })).toEqual([
    { key: 'A', is_secret: false, change: 'CHANGED' },
  ]);
  const rotated: Config = { variables: {}, secrets: { A: { variableId, version: 2 } } };
  expect(compareVariables(before, rotated)).toEqual([
    { key: 'A', is_secret: true, change: 'CHANGED' },
  ]);
});

const key = fc.constantFrom('A', 'B', 'C', '__proto__', 'constructor');
const config: fc.Arbitrary<Config> = fc.record({
  variables: fc.dictionary(key, fc.string({ maxLength: 2 })),
  secrets: fc.dictionary(
    key,
    fc.record({ variableId: fc.constant(variableId), version: fc.nat(2) }),
  ),
});

test('nothing differs from itself, and a comparison reads the same from the other side', () => {
  const opposite = { ADDED: 'REMOVED', REMOVED: 'ADDED', CHANGED: 'CHANGED' } as const;
  fc.assert(
    fc.property(config, config, (one, other) => {
      expect(compareVariables(one, one)).toEqual([]);
      const there = compareVariables(one, other).map((d) => [d.key, opposite[d.change]]);
      const back = compareVariables(other, one).map((d) => [d.key, d.change]);
      expect(there).toEqual(back);
    }),
  );
});
