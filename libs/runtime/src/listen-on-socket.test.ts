import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { listenOnSocket } from './listen-on-socket.ts';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'pf-socket-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const handle = () => {};

test('the socket is of this user alone, and of one process', async () => {
  const path = join(folder, 'deep/er/s');
  await using server = await listenOnSocket(path, handle);
  expect(server.listening).toBe(true);
  expect(statSync(path).mode & 0o777).toBe(0o600);
  await expect(listenOnSocket(path, handle)).rejects.toThrow('Another process listens on');
});

test('the file that a killed process left is replaced', async () => {
  const path = join(folder, 's');
  writeFileSync(path, '');
  await using server = await listenOnSocket(path, handle);
  expect(server.listening).toBe(true);
  expect(statSync(path).isSocket()).toBe(true);
});

test('a path that the kernel would cut is refused', async () => {
  const path = join(folder, 'x'.repeat(108));
  await expect(listenOnSocket(path, handle)).rejects.toThrow('longer than 107 bytes');
});
