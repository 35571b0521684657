/** Several installations at once in one checkout, with an npm that takes as long as a test likes. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';

/** Removes what it finds, as npm does, and ends when the test says so. */
const npm = `
import { appendFileSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
appendFileSync('npm.log', 'begin ');
rmSync('node_modules', { recursive: true, force: true });
mkdirSync('node_modules/.bin', { recursive: true });
writeFileSync('node_modules/.bin/node', '');
process.title = 'npm ci';
while (!existsSync('go')) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10);
writeFileSync('node_modules/.package-lock.json', '');
appendFileSync('npm.log', 'end ');
`;
const install = `
import { ensureInstalled, runBootstrap } from './tools/bootstrap/ensure-installed.mjs';
runBootstrap(ensureInstalled);
`;

/** Holds the lock on taking away the lock of the owner, until the test says so. */
const takingFrom = (owner: string) => `
import { existsSync } from 'node:fs';
import { whileLocked } from './tools/bootstrap/install-lock.mjs';
whileLocked('.pilotfish-installing.${owner}', () => {}, () => {
  console.log('taking');
  while (!existsSync('go')) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10);
});
`;

interface Start {
  readonly child: ChildProcess;
  output(): string;
  readonly exit: Promise<unknown>;
}

function newCheckout() {
  const folder = mkdtempSync(join(tmpdir(), 'pilotfish-checkout-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  cpSync(import.meta.dirname, join(folder, 'tools/bootstrap'), { recursive: true });
  writeFileSync(join(folder, 'package-lock.json'), '{}');
  writeFileSync(join(folder, 'npm.mjs'), npm);
  const env = {
    ...process.env,
    npm_execpath: join(folder, 'npm.mjs'),
    npm_node_execpath: process.execPath,
  };
  const start = (program = install): Start => {
    const args = ['--input-type=module', '--eval', program];
    const child = spawn(process.execPath, args, { cwd: folder, env, detached: true });
    const exit = once(child, 'exit').then(([code]) => code);
    onTestFinished(() => killGroup(child));
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk) => {
        output += chunk;
      });
    }
    return { child, exit, output: () => output };
  };
  const log = () => {
    const path = join(folder, 'npm.log');
    return existsSync(path) ? readFileSync(path, 'utf8') : '';
  };
  return {
    folder,
    start,
    log,
    go: () => writeFileSync(join(folder, 'go'), ''),
    locks: () => readdirSync(folder).filter((name) => name.startsWith('.pilotfish-installing')),
  };
}

/** With the npm that it started. */
function killGroup({ pid }: ChildProcess): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL');
  } catch {
    // All of them ended.
  }
}

const waiting = 'Another one installs here; waiting.';
const patience = { timeout: 10_000 };

test('of two at once one installs, and the other waits for it and says so', async () => {
  const { start, log, go, locks } = newCheckout();
  const both = [start(), start()];
  const outputs = () => both.map(({ output }) => output()).join('');
  await vi.waitFor(() => expect(outputs()).toContain(waiting), patience);
  go();
  expect(await Promise.all(both.map(({ exit }) => exit))).toEqual([0, 0]);
  expect(log()).toBe('begin end ');
  expect(outputs().match(/waiting/g)).toHaveLength(1);
  expect(locks()).toEqual([]);
});

test('what the npm of one that was killed still does is waited for, and counts', async () => {
  const { start, log, go, locks } = newCheckout();
  const first = start();
  await vi.waitFor(() => expect(log()).toBe('begin '), patience);
  first.child.kill('SIGKILL');
  await first.exit;
  const second = start();
  await vi.waitFor(() => expect(second.output()).toContain(waiting), patience);
  go();
  expect(await second.exit).toBe(0);
  expect(log()).toBe('begin end ');
  expect(locks()).toEqual([]);
});

test('the lock of one that was killed with its npm goes to one of those who come next', async () => {
  const { start, log, go, locks } = newCheckout();
  const first = start();
  await vi.waitFor(() => expect(log()).toBe('begin '), patience);
  killGroup(first.child);
  await first.exit;
  expect(locks()).toHaveLength(1);
  go();
  const next = [start(), start(), start(), start()];
  expect(await Promise.all(next.map(({ exit }) => exit))).toEqual([0, 0, 0, 0]);
  expect(log()).toBe('begin begin end ');
  expect(locks()).toEqual([]);
});

test('a lock is taken from one that ended by one after the other', async () => {
  const { folder, start, log, go, locks } = newCheckout();
  const ended = '00000000-1-1';
  symlinkSync(ended, join(folder, '.pilotfish-installing'));
  const taking = start(takingFrom(ended));
  await vi.waitFor(() => expect(taking.output()).toContain('taking'), patience);
  const second = start();
  await vi.waitFor(() => expect(second.output()).toContain(waiting), patience);
  expect(log()).toBe('');
  go();
  expect(await Promise.all([taking.exit, second.exit])).toEqual([0, 0]);
  expect(log()).toBe('begin end ');
  expect(locks()).toEqual([]);
});
