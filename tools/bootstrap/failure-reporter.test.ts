import { expect, test, vi } from 'vitest';
import FailureReporter from './failure-reporter.mjs';

const failed = {
  name: 'AssertionError',
  message: 'expected 1 to be 2',
  stack:
    'AssertionError: expected 1 to be 2\n    at /a/b.test.ts:2:3\n    at /a/node_modules/vitest/x.js:1:1',
  diff: '- 2\n+ 1',
  cause: { name: 'Error', message: 'inner', stack: 'Error: inner\n    at /a/c.ts:1:1' },
};

function told(tell: (reporter: FailureReporter) => void): string[] {
  const log = vi.spyOn(console, 'log').mockImplementation(() => undefined);
  try {
    tell(new FailureReporter());
    return log.mock.calls.map(([text]) => String(text).trim());
  } finally {
    log.mockRestore();
  }
}

test('a failed test is told with its place, its difference and its cause; one that passed is not', () => {
  const module = { relativeModuleId: 'b.test.ts' };
  const result = (state: string) => ({
    module,
    fullName: 'group > one',
    result: () => ({ state, errors: state === 'failed' ? [failed] : [] }),
  });
  expect(
    told((reporter) => {
      reporter.onTestCaseResult(result('passed'));
      reporter.onTestCaseResult(result('failed'));
    }),
  ).toEqual([
    [
      'FAILED b.test.ts > group > one',
      'AssertionError: expected 1 to be 2',
      '    at /a/b.test.ts:2:3',
      '- 2',
      '+ 1',
      'cause: Error: inner',
      '    at /a/c.ts:1:1',
    ].join('\n'),
  ]);
});

test('what fails outside tests is told, whatever was thrown', () => {
  const errors = () => [{ name: 'Error', message: 'no stack' }];
  const module = { relativeModuleId: 'b.test.ts', errors };
  expect(
    told((reporter) => {
      reporter.onTestSuiteResult({ module, fullName: 'group', errors });
      reporter.onTestModuleEnd(module);
      reporter.onTestRunEnd([module], [{ message: 'a text', cause: 'of a text' }]);
    }),
  ).toEqual([
    'FAILED b.test.ts > group\nError: no stack',
    'FAILED b.test.ts\nError: no stack',
    'FAILED outside tests\na text\ncause: of a text',
  ]);
});
