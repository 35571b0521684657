import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { explainFailedInstall } from './ensure-installed.mjs';
import { addTotals, describeTotals, judgeLeftovers, readVitestReport } from './test-totals.mjs';

test.each([
  ['npm error code EAI_AGAIN', 'check the network'],
  ['npm error code ENOSPC\nnpm error nospc', 'The disk is full'],
  ['npm error code EACCES', 'check who owns it'],
])('a failed installation is explained in one sentence: %s', (output, sentence) => {
  const explained = explainFailedInstall(output);
  expect(explained).toContain(sentence);
  expect(explained.split('\n')).toHaveLength(1);
});

test('an installation that failed for no known reason shows the end of the output', () => {
  expect(explainFailedInstall('something new')).toContain('something new');
});

function report(...states: string[]): string {
  const assertionResults = states.map((status) => ({ status, fullName: `a ${status} test` }));
  const status = states.includes('failed') ? 'failed' : 'passed';
  return JSON.stringify({ testResults: [{ name: 'a.test.ts', status, assertionResults }] });
}

test('totals are those of the report, and skipped tests are named', () => {
  const totals = readVitestReport('unit', report('passed', 'passed', 'failed', 'pending'), false);
  expect(totals).toEqual({
    passed: 2,
    failed: 1,
    skipped: 1,
    notes: ['unit: skipped "a pending test"'],
  });
});

test.each([
  ['no report', undefined, true],
  ['no test', JSON.stringify({ testResults: [] }), true],
  ['an error outside the tests', report('passed'), false],
  [
    'a file that cannot be imported',
    JSON.stringify({ testResults: [{ name: 'a', status: 'failed', assertionResults: [] }] }),
    false,
  ],
])('%s counts as one failure', (_, text, exitedWell) => {
  expect(readVitestReport('unit', text, exitedWell).failed).toBe(1);
});

test('what a step leaves in its temporary folder is one failure, Node and npm apart', () => {
  const judged = judgeLeftovers('system', ['node-compile-cache', 'pf-home', 'pf-clone']);
  expect(judged.failed).toBe(1);
  expect(judged.notes).toEqual(['system: left in the temporary folder: pf-home, pf-clone']);
  expect(judgeLeftovers('system', ['node-compile-cache']).failed).toBe(0);
});

test('the last line has the form that others read', () => {
  const one = { passed: 1, failed: 0, skipped: 0, notes: [] };
  expect(describeTotals(addTotals([one, one]))).toBe('2 passed, 0 failed');
  expect(describeTotals({ ...one, skipped: 3 })).toBe('1 passed, 0 failed, 3 skipped');
});

function runBootstrapProgram(program: string, ...args: string[]) {
  const path = join(import.meta.dirname, program);
  return spawnSync(process.execPath, [path, ...args], { encoding: 'utf8' });
}

test.each([
  ['start.mjs', 'PILOTFISH_HOME'],
  ['test.mjs', '--full'],
])('%s --help says what it takes and begins nothing', (program, word) => {
  const { status, stdout, stderr } = runBootstrapProgram(program, '--help');
  expect([status, stderr]).toEqual([0, '']);
  expect(stdout).toContain(word);
  expect(stdout).toContain('docs/configuration.md');
});

test.each([
  ['start.mjs', '--port=80'],
  ['start.mjs', 'core-api'],
  ['test.mjs', '--fast'],
])('%s %s is refused in one sentence with exit code 64', (program, argument) => {
  const { status, stdout, stderr } = runBootstrapProgram(program, argument);
  expect([status, stdout]).toEqual([64, '']);
  expect(stderr).toMatch(/^pilotfish: [^\n]+ -- --help\.\n$/);
  expect(stderr).toContain(argument.split('=')[0]);
});
