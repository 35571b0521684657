import fc from 'fast-check';
import { expect, test } from 'vitest';
import { childTraceparent, formatTraceparent, newTraceparent, parseTraceparent } from './trace.ts';

test('a child stays in the trace of its parent under a span of its own', () => {
  const parent = newTraceparent();
  const child = childTraceparent(parent);
  expect(parseTraceparent(child)?.traceId).toBe(parseTraceparent(parent)?.traceId);
  expect(parseTraceparent(child)?.spanId).not.toBe(parseTraceparent(parent)?.spanId);
});

test('a wrong header starts a new trace', () => {
  const zeros = `00-${'0'.repeat(32)}-${'1'.repeat(16)}-01`;
  for (const text of [
    undefined,
    '',
    'nonsense',
    zeros,
    `ff-${'1'.repeat(32)}-${'1'.repeat(16)}-01`,
  ]) {
    expect(parseTraceparent(text)).toBeNull();
    expect(parseTraceparent(childTraceparent(text))).not.toBeNull();
  }
});

test('whatever is parsed is written back as it was, and nothing throws', () => {
  const hex = (length: number) =>
    fc.stringMatching(new RegExp(`^[0-9a-f]{${length}}$`)).filter((text) => !/^0+$/.test(text));
  fc.assert(
    fc.property(hex(32), hex(16), fc.boolean(), (traceId, spanId, sampled) => {
      const context = { traceId, spanId, sampled };
      expect(parseTraceparent(formatTraceparent(context))).toEqual(context);
    }),
  );
  fc.assert(
    fc.property(fc.string(), (text) => {
      parseTraceparent(text);
    }),
  );
});
