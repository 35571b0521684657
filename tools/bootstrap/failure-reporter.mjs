/**
 * Tells each failure when it happens: Vitest's own reporters tell them when everything has run, which
 * is half an hour later, or never where somebody ends the run before.
 *
 * Vitest loads it by its path, and so takes its default export.
 */
export default class FailureReporter {
  onTestCaseResult(test) {
    const { state, errors } = test.result();
    if (state === 'failed') tell(`${test.module.relativeModuleId} > ${test.fullName}`, errors);
  }

  /** A hook. */
  onTestSuiteResult(suite) {
    tell(`${suite.module.relativeModuleId} > ${suite.fullName}`, suite.errors());
  }

  /** The import of a file. */
  onTestModuleEnd(module) {
    tell(module.relativeModuleId, module.errors());
  }

  onTestRunEnd(_modules, unhandledErrors) {
    tell('outside tests', unhandledErrors);
  }
}

function tell(name, errors) {
  for (const error of errors) {
    const parts = [`FAILED ${name}`, describe(error)];
    if (error.diff) parts.push(error.diff);
    if (error.cause) parts.push(`cause: ${describe(error.cause)}`);
    console.log(`\n${parts.join('\n')}\n`);
  }
}

/** Whatever was thrown, without the lines of the stack that are of libraries. */
function describe(error) {
  const { name, message = String(error), stack } = Object(error);
  const text = typeof stack === 'string' ? stack : [name, message].filter(Boolean).join(': ');
  const lines = text.split('\n');
  return lines.filter((line) => !/^ +at .*(node_modules\/|<anonymous>)/.test(line)).join('\n');
}
