import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { expect, onTestFinished, test } from 'vitest';
import { cpuSeconds, cpuSecondsOfTree } from './processes.ts';

const burn = 'const end = process.cpuUsage().user + 150000; while (process.cpuUsage().user < end);';

test('a process counts with its ended children', () => {
  const before = cpuSeconds(process.pid);
  spawnSync(process.execPath, ['-e', burn]);
  expect(cpuSeconds(process.pid) - before).toBeGreaterThan(0.13);
});

test('what a living child uses belongs to the tree', async () => {
  const before = cpuSecondsOfTree(process.pid);
  const child = spawn(process.execPath, ['-e', `${burn} console.log(1); process.stdin.resume();`]);
  onTestFinished(() => void child.kill('SIGKILL'));
  await once(child.stdout, 'data');
  expect(cpuSecondsOfTree(process.pid) - before).toBeGreaterThan(0.13);
  expect(cpuSecondsOfTree(child.pid ?? 0)).toBeGreaterThan(0.13);
});
