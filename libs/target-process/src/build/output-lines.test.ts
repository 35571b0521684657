import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createOutputCounter } from './output-lines.ts';

function collect(chunks: readonly Buffer[], limits = { lineBytesMax: 100, totalBytesMax: 10_000 }) {
  const lines: string[] = [];
  const counter = createOutputCounter(limits, (line) => lines.push(line));
  const stream = counter.stream();
  for (const chunk of chunks) stream.write(chunk);
  stream.end();
  return { lines, counter };
}

test('however output arrives, its lines are the same', () => {
  const line = fc.stringMatching(/^[a-zäöü€ ]{0,20}$/);
  fc.assert(
    fc.property(
      fc.array(line, { maxLength: 20 }),
      fc.integer({ min: 1, max: 7 }),
      (texts, size) => {
        const bytes = Buffer.from(texts.map((text) => `${text}\n`).join(''));
        const chunks: Buffer[] = [];
        for (let at = 0; at < bytes.length; at += size) chunks.push(bytes.subarray(at, at + size));
        expect(collect(chunks).lines).toEqual(texts);
      },
    ),
  );
});

test('colours go, and a progress bar gives its last state', () => {
  const { lines } = collect([Buffer.from('\u001b[32mgreen\u001b[0m\n10%\r50%\r100%\nwindows\r\n')]);
  expect(lines).toEqual(['green', '100%', 'windows']);
});

test('a line without end costs no memory and is counted', () => {
  const { lines } = collect([Buffer.alloc(1_000_000, 'x'), Buffer.from('\nnext\n')]);
  expect(lines[0]).toBe(`${'x'.repeat(100)}… (999900 more bytes)`);
  expect(lines[1]).toBe('next');
});

test('beyond the total everything is dropped and counted, and the end is still known', () => {
  const limits = { lineBytesMax: 100, totalBytesMax: 150 };
  const { lines, counter } = collect(
    [Buffer.from('12345678\n12345678\n12345678\nx\nlast')],
    limits,
  );
  expect(lines).toEqual(['12345678', '12345678']);
  expect(counter.dropped).toEqual({ lines: 3, bytes: 13 });
  expect(counter.tail.at(-1)).toBe('last');
});
