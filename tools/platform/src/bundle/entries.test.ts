import { expect, test } from 'vitest';
import { pointToBundledWorkers } from './entries.ts';

test('the URL of a worker thread points to its bundle, from wherever it is asked for', () => {
  const text = "const url = new URL('./journal-worker.ts', import.meta.url);";
  expect(pointToBundledWorkers(text, 'journal')).toBe(
    "const url = new URL('./journal/journal-worker.mjs', import.meta.url);",
  );
  expect(pointToBundledWorkers(text, '')).toContain("'./journal-worker.mjs'");
});

test('other URLs are left alone', () => {
  const text = "new URL('./page.html', import.meta.url)";
  expect(pointToBundledWorkers(text, 'a')).toBe(text);
});
