import { expect, test } from 'vitest';
import { VariableEditRequest, VariableRequest } from './variable.ts';

const request = {
  key: 'COLOUR',
  value: 'blue',
  is_secret: true,
  variable_scope: 'APPLICATION',
  variable_parent_id: '019dfc55-0000-7000-8000-000000000001',
};

function problemOf(change: object): string | undefined {
  return VariableRequest.safeParse({ ...request, ...change }).error?.issues[0]?.message;
}

test('a value is limited by its bytes, not by its characters', () => {
  expect(problemOf({ value: 'x'.repeat(65_536) })).toBeUndefined();
  expect(problemOf({ value: '€'.repeat(21_845) })).toBeUndefined();
  expect(problemOf({ value: '€'.repeat(21_846) })).toBe('must have at most 65536 bytes');
  const edit = VariableEditRequest.safeParse({ key: 'A', value: '€'.repeat(30_000) });
  expect(edit.success).toBe(false);
});

test('names that the platform sets are refused, and no others', () => {
  for (const key of ['PORT', 'PATH']) expect(problemOf({ key })).toBe('is set by the platform');
  for (const key of ['port', 'DATABASE_PORT', 'NODE_PATH', 'HOME', 'NODE_ENV']) {
    expect(problemOf({ key })).toBeUndefined();
  }
});
