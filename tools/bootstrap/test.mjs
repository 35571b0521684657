/**
 * `npm test`: everything that can be checked, cheapest first, and all of it even when something
 * failed. The last line is `N passed, N failed`, with `, N skipped` when a test was skipped; each
 * static check counts as one.
 */
import { spawnSync } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readCommandLine } from './command-line.mjs';
import { ensureInstalled, projectNode, root, runBootstrap } from './ensure-installed.mjs';
import { addTotals, describeTotals, judgeLeftovers, readVitestReport } from './test-totals.mjs';

const stepTimeoutMs = 40 * 60_000;
const packageProgram = (path) => [projectNode, join(root, 'node_modules', path)];

const staticSteps = [
  ['format', [...packageProgram('@biomejs/biome/bin/biome'), 'format', '.']],
  [
    'lint',
    [...packageProgram('@biomejs/biome/bin/biome'), 'check', '--formatter-enabled=false', '.'],
  ],
  ['lint with types', packageProgram('oxlint/bin/oxlint')],
  ['types', [...packageProgram('typescript/bin/tsc'), '-b']],
];
/** Each the projects of Vitest that it runs, one after the other, and named by the first. */
const testSteps = [['tidy'], ['unit'], ['integration'], ['system', 'system-alone']];

function run(name, [program, ...args], env) {
  console.log(`\n── ${name}`);
  // Without standard input nothing can wait for an answer that nobody gives.
  const stdio = ['ignore', 'inherit', 'inherit'];
  const result = spawnSync(program, args, { cwd: root, env, stdio, timeout: stepTimeoutMs });
  if (result.error !== undefined) console.error(`${name}: ${result.error.message}`);
  return result.status === 0;
}

function runStaticStep([name, argv], env) {
  const passed = run(name, argv, env);
  return { passed: passed ? 1 : 0, failed: passed ? 0 : 1, skipped: 0, notes: [] };
}

function runTestStep(projects, outerEnv, reportFolder) {
  const [name] = projects;
  // Of its own, so that what tests leave behind is seen and goes away. Short: sockets lie below it.
  const temporary = join(reportFolder, name[0] ?? '');
  mkdirSync(temporary);
  const env = outerEnv.PILOTFISH_TEST_KEEP ? outerEnv : { ...outerEnv, TMPDIR: temporary };
  const report = join(reportFolder, `${name}.json`);
  const failures = `--reporter=${join(root, 'tools/bootstrap/failure-reporter.mjs')}`;
  const reporters = ['--reporter=default', failures, '--reporter=json'];
  reporters.push(`--outputFile.json=${report}`);
  const chosen = projects.map((project) => `--project=${project}`);
  const vitest = [...packageProgram('vitest/vitest.mjs'), 'run', ...chosen, ...reporters];
  const exitedWell = run(name, vitest, env);
  const text = existsSync(report) ? readFileSync(report, 'utf8') : undefined;
  const totals = readVitestReport(name, text, exitedWell);
  return addTotals([totals, judgeLeftovers(name, readdirSync(temporary))]);
}

const command = {
  key: 'test',
  name: 'npm test',
  purpose: 'runs every check and every test; the last line is their total.',
  options: { full: { type: 'boolean', meaning: 'the long form, as npm run test:full' } },
};

function main() {
  const { full: isFull = false } = readCommandLine(command, process.argv.slice(2));
  ensureInstalled();
  const seed = process.env.PILOTFISH_SEED ?? String(randomInt(2 ** 31));
  const env = {
    ...process.env,
    PILOTFISH_SEED: seed,
    ...(isFull ? { PILOTFISH_TEST_SCALE: 'full' } : {}),
  };
  console.log(`PILOTFISH_SEED=${seed} npm test repeats this run${isFull ? ' (test:full)' : ''}.`);
  const reportFolder = mkdtempSync(join(tmpdir(), 'pft-'));
  try {
    const results = [
      ...staticSteps.map((step) => [step[0], runStaticStep(step, env)]),
      ...testSteps.map((step) => [step[0], runTestStep(step, env, reportFolder)]),
    ];
    console.log('\n── summary');
    for (const [name, result] of results) console.log(`${name}: ${describeTotals(result)}`);
    const total = addTotals(results.map(([, result]) => result));
    for (const note of total.notes) console.log(note);
    if (total.failed > 0) console.log(`Repeat with PILOTFISH_SEED=${seed}`);
    console.log(describeTotals(total));
    process.exitCode = total.failed > 0 ? 1 : 0;
  } finally {
    rmSync(reportFolder, { recursive: true, force: true });
  }
}

runBootstrap(main);
