import type { ServiceLog } from '@pilotfish/contracts';
import { Fault } from '@pilotfish/kernel';
import { describe, expect, test } from 'vitest';
import { type LineWishes, lineFilter } from './line-filter.ts';

const line: ServiceLog = {
  container_name: 'web',
  created_at: Date.parse('2026-11-20T10:00:00.500Z'),
  from_kube: false,
  labels: { stream: 'stderr' },
  message: 'GET /shop "404"',
  pod_name: 'r1-2',
  severity_text: 'ERROR',
  version: 'abc',
};

const holds = (wishes: LineWishes) => lineFilter(wishes, 's')(line);
function refusalOf(wishes: LineWishes): string {
  try {
    lineFilter(wishes, 's');
  } catch (error) {
    if (error instanceof Fault && error.code === 'invalid_input') return error.detail;
    throw error;
  }
  return 'none';
}

test('without a wish every line is wanted', () => {
  expect(holds({})).toBe(true);
});

describe('a query', () => {
  test.each([
    ['{qovery_com_service_id="s"}', true],
    ['{qovery_com_service_id="t"}', false],
    ['{ qovery_com_service_id = "s", level="error", pod="r1-2" }', true],
    ['{level="info"}', false],
    ['{container="web", app="abc", stream="stderr"}', true],
    ['{pod="r1"}', false],
    ['{level="error"} |= "/shop"', true],
    ['{level="error"} |= "/shop" |= "500"', false],
    [String.raw`{level="error"} |= "\"404\""`, true],
    ['{level="error"}|=`"404"`', true],
    ['{level="a}b"} |= "{"', false],
  ])('%s', (query, expected) => {
    expect(holds({ query })).toBe(expected);
  });

  test.each([
    'zzz',
    '',
    '{}',
    '{level="error"',
    '{level=~"err.*"}',
    '{level="error"} |~ "x"',
    '{level="error"} | json',
    '{level="error"} |= x',
  ])('that is not understood is refused: %s', (query) => {
    expect(refusalOf({ query })).toBe(
      'Parameter query: only {label="value", …} |= "text" is understood',
    );
  });

  test('for what lines do not have is refused', () => {
    expect(refusalOf({ query: '{namespace="x"}' })).toContain('no label namespace');
    expect(refusalOf({ query: '{constructor="x"}' })).toContain('no label constructor');
    expect(refusalOf({ query: String.raw`{level="\q"}` })).toContain('quoted as in JSON');
  });
});

describe('a start', () => {
  test.each([
    ['2026-11-20T10:00:00.500Z', true],
    ['2026-11-20T11:00:00.501+01:00', false],
    ['1795168800', true],
    ['1795168801', false],
    ['1795168800500', true],
    ['1795168800501', false],
    ['1795168800500000000', true],
    ['1795168800501000000', false],
  ])('%s', (start, expected) => {
    expect(holds({ start })).toBe(expected);
  });

  test.each(['garbage', '5', '2026-11-20', '-1h'])('that is none is refused: %s', (start) => {
    expect(refusalOf({ start })).toContain('Parameter start: is neither an instant');
  });
});

test("a release's lines are those of its copies, since it was asked for", () => {
  const from = Temporal.Instant.from('2026-11-20T10:00:00Z');
  expect(holds({ release: { id: 'r1', from } })).toBe(true);
  expect(holds({ release: { id: 'r', from } })).toBe(false);
  expect(holds({ release: { id: 'r1', from: from.add({ seconds: 1 }) } })).toBe(false);
});
