import { limits } from '@pilotfish/kernel';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { splitLines } from './line-splitter.ts';

test('lines come out whole, without their ends', () => {
  const { lines, consumed } = splitLines(Buffer.from('a\r\n\nb é\nrest'), false, false);
  expect(lines.map(({ text }) => text)).toEqual(['a', '', 'b é']);
  expect(consumed).toBe(Buffer.byteLength('a\r\n\nb é\n'));
});

test('an unfinished line is only taken when asked for', () => {
  expect(splitLines(Buffer.from('rest'), false, false).lines).toEqual([]);
  expect(splitLines(Buffer.from('rest'), false, true).lines).toMatchObject([{ text: 'rest' }]);
});

test('the zeros of a hole are no part of a line', () => {
  expect(splitLines(Buffer.from('\0\0\0a\n'), false, false).lines).toMatchObject([{ text: 'a' }]);
});

test('a line that is too long is cut, and its rest left out however it is read', () => {
  const text = `${'x'.repeat(limits.logLineBytesMax * 3)}\nnext\n`;
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: text.length }), { maxLength: 6 }), (cuts) => {
      const found: string[] = [];
      let start = 0;
      let skipping = false;
      for (const end of [...cuts.toSorted((a, b) => a - b), text.length]) {
        if (end < start) continue;
        const result = splitLines(Buffer.from(text.slice(start, end)), skipping, false);
        found.push(...result.lines.map((line) => line.text));
        start += result.consumed;
        ({ skipping } = result);
      }
      expect(found).toHaveLength(2);
      expect(found[0]).toBe(`${'x'.repeat(limits.logLineBytesMax)} … [cut]`);
      expect(found[1]).toBe('next');
    }),
  );
});
