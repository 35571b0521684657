import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { watchFolder } from './folder-watch.ts';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'pf-watch-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test('a write to a file that was there before is told', async () => {
  const path = join(folder, 'a.out');
  writeFileSync(path, '');
  const watching = watchFolder(folder);
  appendFileSync(path, 'a line\n');
  await watching?.changed;
  watching?.close();
  expect(watching).not.toBeNull();
});

test('where nothing can be watched, somebody has to look', () => {
  expect(watchFolder(join(folder, 'missing'))).toBeNull();
});
