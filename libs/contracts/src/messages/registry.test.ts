import { type ClusterId, newId } from '@pilotfish/kernel';
import { expect, test } from 'vitest';
import { messages, patternOf, subjectOf } from './registry.ts';

test('a subject is its template with the parameters filled in', () => {
  const clusterId = newId<ClusterId>();
  expect(subjectOf(messages.confirmed, { clusterId })).toBe(`confirmed.${clusterId}`);
});

test('a parameter that would change which subject it is, is refused', () => {
  expect(() => subjectOf(messages.confirmed, { clusterId: 'a.b' })).toThrow('clusterId');
  // @ts-expect-error the compiler knows the parameters of each subject
  expect(() => subjectOf(messages.confirmed, {})).toThrow('clusterId');
});

test('a pattern has a star for each parameter left out', () => {
  expect(patternOf(messages.environmentTask, { clusterId: 'c1' })).toBe('tasks.c1.environment.*');
});
