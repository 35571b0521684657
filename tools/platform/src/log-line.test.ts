import { expect, test } from 'vitest';
import { createPaint, formatLogLine } from './log-line.ts';

const plain = createPaint(false);

test('a line of a service is shown as time, sentence and fields', () => {
  const line =
    '{"level":"info","time":"2026-11-20T19:20:17.000Z","pid":1,"name":"a","port":4104,"msg":"serving"}';
  expect(formatLogLine(line, plain)).toBe('19:20:17 serving port=4104');
});

test('an error is marked and tells its cause, its stack stays in the file', () => {
  const line =
    '{"level":"error","time":"2026-11-20T19:20:17.000Z","err":{"message":"no route","stack":"at x"},"msg":"failed"}';
  expect(formatLogLine(line, plain)).toBe('19:20:17 error: failed (no route)');
});

test('a sentence that tells the cause already is not followed by it again', () => {
  const line = JSON.stringify({
    level: 'fatal',
    time: '2026-11-20T19:20:17.000Z',
    err: {
      message: 'Port 1 is taken.: listen EADDRINUSE 127.0.0.1:1',
      internal: 'Port 1 is taken.',
    },
    msg: 'edge cannot start: Port 1 is taken.',
  });
  expect(formatLogLine(line, plain)).toBe('19:20:17 fatal: edge cannot start: Port 1 is taken.');
});

test.each([
  ['{"level":"debug","msg":"detail"}', undefined],
  ['', undefined],
  ['Segmentation fault', 'Segmentation fault'],
  ['42', '42'],
])('%s is shown as %s', (line, shown) => {
  expect(formatLogLine(line, plain)).toBe(shown);
});

test('a very long line is cut', () => {
  expect(formatLogLine('x'.repeat(5000), plain)).toHaveLength(1000);
});
