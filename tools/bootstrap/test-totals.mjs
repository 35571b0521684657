/** Pure functions over the results of test steps: `{passed, failed, skipped, notes}`. */

/**
 * Totals of one Vitest project from its JSON report. What Vitest counts nowhere counts here as one
 * failure: no report at all (it crashed), no test found (a silent skip), errors outside tests.
 */
export function readVitestReport(name, text, exitedWell) {
  if (text === undefined) {
    return { passed: 0, failed: 1, skipped: 0, notes: [`${name}: ended without a report`] };
  }
  const report = JSON.parse(text);
  const tests = report.testResults.flatMap((file) => file.assertionResults);
  const count = (...states) => tests.filter(({ status }) => states.includes(status)).length;
  const skipped = tests.filter(({ status }) => ['pending', 'skipped', 'todo'].includes(status));
  const notes = skipped.map((test) => `${name}: skipped "${test.fullName}"`);
  const passed = count('passed');
  let failed = count('failed');
  // A file that cannot be imported fails without any test of its own.
  for (const file of report.testResults) {
    if (file.status === 'failed' && !file.assertionResults.some((t) => t.status === 'failed')) {
      failed += 1;
      notes.push(`${name}: ${file.name} failed outside its tests`);
    }
  }
  if (tests.length === 0 && failed === 0) {
    failed += 1;
    notes.push(`${name}: no test was found`);
  } else if (failed === 0 && !exitedWell) {
    failed += 1;
    notes.push(`${name}: all tests passed, but Vitest reported an error outside them`);
  }
  return { passed, failed, skipped: skipped.length, notes };
}

/** npm and Node keep their own things in a temporary folder. */
const notOurs = new Set(['node-compile-cache']);

/** What the tests of a step left in its temporary folder counts as one failure of the step. */
export function judgeLeftovers(name, entries) {
  const left = entries.filter((entry) => !notOurs.has(entry));
  if (left.length === 0) return { passed: 0, failed: 0, skipped: 0, notes: [] };
  const note = `${name}: left in the temporary folder: ${left.join(', ')}`;
  return { passed: 0, failed: 1, skipped: 0, notes: [note] };
}

/** Sums up; the notes are kept in order. */
export function addTotals(results) {
  const sum = (field) => results.reduce((total, result) => total + result[field], 0);
  return {
    passed: sum('passed'),
    failed: sum('failed'),
    skipped: sum('skipped'),
    notes: results.flatMap(({ notes }) => notes),
  };
}

/** `N passed, N failed`, and `, N skipped` only when there are any. */
export function describeTotals({ passed, failed, skipped }) {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`;
}
