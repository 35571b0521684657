import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { StepOutcome } from '@pilotfish/domain-deploy';
import { describe, expect, test } from 'vitest';
import { explainBuild, type FailedBuild, registryFailure } from './explain-build.ts';
import { type CrashedStart, explainCrash, explainNeverHealthy } from './explain-start.ts';

/** Outputs as real programs wrote them. */
function output(name: string): string[] {
  const path = join(import.meta.dirname, 'fixtures', `${name}.txt`);
  return readFileSync(path, 'utf8').trimEnd().split('\n');
}

function failedBuild(phase: 'install' | 'build', change: Partial<FailedBuild>): FailedBuild {
  return {
    phase,
    argv: phase === 'install' ? ['npm', 'ci'] : ['npm', 'run', 'build'],
    code: 1,
    signal: null,
    timedOut: false,
    tail: [],
    buildSecondsMax: 600,
    ...change,
  };
}

function explained(outcome: StepOutcome) {
  if (outcome.ok) throw new Error('explains a success');
  return outcome.explanation;
}

function install(name: string) {
  return explained(explainBuild(failedBuild('install', { tail: output(name) })));
}

function crash(change: Partial<CrashedStart>) {
  const ended = { code: 1, signal: null, message: '', reason: null, command: 'foo', tail: [] };
  return explained(explainCrash({ ...ended, ...change }));
}

describe('a failed installation', () => {
  test.each(['npm-ci-mismatch', 'pnpm-mismatch', 'yarn-mismatch', 'yarn-berry-mismatch'])(
    '%s names the lockfile and how to mend it',
    (name) => {
      const { cause, summary, suggestion, lines } = install(name);
      expect(cause).toBe('BUILD_FAILED');
      expect(summary).toBe('The lockfile does not match package.json.');
      expect(suggestion).toContain('commit the lockfile');
      expect(lines.length).toBeGreaterThan(0);
      expect(lines.length).toBeLessThan(20);
    },
  );

  test('of npm shows what does not fit, and not the manual', () => {
    const { lines } = install('npm-ci-mismatch');
    expect(lines.join('\n')).toContain("lock file's marked@18.2.1 does not satisfy marked@17.0.0");
    expect(lines.join('\n')).not.toContain('--install-strategy');
  });

  test('for a damaged lockfile says so, and shows no manual', () => {
    const { cause, summary, suggestion, lines } = install('npm-ci-damaged-lockfile');
    expect(cause).toBe('BUILD_FAILED');
    expect(summary).toMatch(/^The lockfile is damaged: .*conflict markers/);
    expect(suggestion).toContain('commit the lockfile');
    expect(lines).toHaveLength(3);
    expect(lines[0]).toContain('can only install with an existing package-lock.json');
  });

  test('names the version that does not exist', () => {
    expect(install('npm-no-such-version').summary).toBe('There is no such version: marked@99.0.0.');
  });

  test('tells a missing package from a missing version', () => {
    const { summary, lines } = install('npm-no-such-package');
    expect(summary).toContain('not in the registry');
    expect(lines.join('\n')).toContain('@example/not-there');
  });

  test('names the variable that a private registry needs', () => {
    const asWritten = `$${'{NPM_TOKEN}'}`;
    const tail = [`npm warn Failed to replace env in config: ${asWritten}`, 'npm error code E401'];
    const { summary } = explained(explainBuild(failedBuild('install', { tail })));
    expect(summary).toContain('NPM_TOKEN');
  });

  test('names dependencies that exclude each other', () => {
    const { summary, lines } = install('npm-conflict');
    expect(summary).toContain('exclude each other');
    expect(lines.join('\n')).toContain('react@17.0.0');
  });

  test('for a registry that does not answer is worth another try', () => {
    const away = failedBuild('install', { tail: output('npm-registry-away') });
    expect(registryFailure(away)).toContain('request to http://127.0.0.1:1/marked failed');
    const mismatch = failedBuild('install', { tail: output('npm-ci-mismatch') });
    expect(registryFailure(mismatch)).toBeUndefined();
    expect(registryFailure(failedBuild('build', { tail: away.tail }))).toBeUndefined();
  });
});

describe('a failed build', () => {
  const build = (name: string) =>
    explained(explainBuild(failedBuild('build', { tail: output(name) })));

  test('names the script that is missing', () => {
    expect(build('npm-missing-script').summary).toBe('package.json has no script named build.');
  });

  test('names the command that is not installed', () => {
    const { summary, suggestion } = build('command-not-found');
    expect(summary).toBe('The command rollupx does not exist.');
    expect(suggestion).toContain('devDependencies');
  });

  test('shows all type errors', () => {
    const { summary, lines } = build('typescript');
    expect(summary).toBe('Type checking failed.');
    expect(lines).toHaveLength(2);
  });

  test('names an import that a bundler cannot find', () => {
    expect(build('esbuild-unresolved').summary).toBe('An import cannot be found: ./nope.');
  });

  test('that took too long says so', () => {
    const { cause, summary } = explained(
      explainBuild(failedBuild('build', { timedOut: true, code: null, signal: 'SIGKILL' })),
    );
    expect(cause).toBe('BUILD_TIMEOUT');
    expect(summary).toContain('600 seconds');
  });

  test('that was killed from outside ran out of memory', () => {
    const { cause } = explained(
      explainBuild(failedBuild('build', { code: null, signal: 'SIGKILL' })),
    );
    expect(cause).toBe('OUT_OF_RESOURCES');
  });

  test('of an unknown kind shows the end of its output', () => {
    const tail = Array.from({ length: 100 }, (_, index) => `line ${index}`);
    const { summary, lines } = explained(explainBuild(failedBuild('build', { code: 3, tail })));
    expect(summary).toBe('`npm run build` ended with exit code 3.');
    expect(lines.at(-1)).toBe('line 99');
    expect(lines).toHaveLength(20);
  });
});

describe('an application that crashed', () => {
  const said = (name: string) => crash({ tail: output(name) });

  test('on a port in use is told of PORT', () => {
    const { cause, summary, suggestion } = said('port-in-use');
    expect(cause).toBe('CRASHED_ON_START');
    expect(summary).toBe('The application wanted port 23456, which is in use.');
    expect(suggestion).toContain('PORT');
  });

  test('for a missing package is told to add it', () => {
    const { summary, suggestion } = said('module-missing');
    expect(summary).toBe('express cannot be found.');
    expect(suggestion).toContain('dependencies');
  });

  test('for a missing file is asked whether it is committed', () => {
    expect(said('file-missing').suggestion).toContain('committed');
  });

  test('by a syntax error shows the line of code and no line of Node itself', () => {
    const { cause, summary, lines } = said('syntax-error');
    expect(cause).toBe('CRASHED_ON_START');
    expect(summary).toBe("The code has a syntax error: Unexpected token '{'.");
    expect(lines).toContain('const x = {{;');
    expect(lines.join('\n')).not.toContain('node:internal');
  });

  test('by mixing kinds of modules', () => {
    expect(said('module-kinds').summary).toContain('two kinds of modules');
  });

  test('without its database names the address', () => {
    expect(said('database-away').summary).toContain('127.0.0.1:1 (ECONNREFUSED)');
  });

  test('by an error of its own says which', () => {
    const { summary } = said('thrown');
    expect(summary).toBe('The application ended with an error: TypeError: DATABASE_URL is not set');
  });

  test('for lack of memory is not sent to look at its code', () => {
    expect(said('heap-full').cause).toBe('OUT_OF_RESOURCES');
    expect(crash({ code: null, signal: 'SIGKILL' }).cause).toBe('OUT_OF_RESOURCES');
  });

  test('with exit code 0 is told to keep running', () => {
    expect(crash({ code: 0 }).suggestion).toContain('keep running');
  });

  test('while no supervisor looked shows what the next one says', () => {
    const { summary } = crash({ code: null, message: 'Ended while the supervisor was away.' });
    expect(summary).toContain('Ended while the supervisor was away');
  });

  test.each([
    [127, 'The command foo was not found on its PATH.', 'Correct the start command'],
    [126, 'The command foo may not be executed.', 'chmod=+x foo'],
    [null, 'Failed its liveness probe: GET /live answers 500.', 'liveness probe'],
  ])('with code %s for a reason that the supervisor knows is told it', (code, reason, hint) => {
    const { cause, summary, suggestion } = crash({ code, reason, message: `${reason} And more.` });
    expect(cause).toBe('CRASHED_ON_START');
    expect(summary).toBe(reason);
    expect(suggestion).toContain(hint);
  });
});

describe('an application that never became healthy', () => {
  const never = (listening: { address: string; port: number }[], why = '') =>
    explained(explainNeverHealthy({ why, afterSeconds: 60, port: 4100, listening, tail: ['x'] }));

  test('on another port is told which one and which variable', () => {
    const { cause, summary, suggestion } = never([{ address: '*', port: 3000 }]);
    expect(cause).toBe('NEVER_HEALTHY');
    expect(summary).toContain('port 3000');
    expect(suggestion).toContain('PORT');
  });

  test('without any port is told which one it should listen on', () => {
    expect(never([]).summary).toContain('did not listen on port 4100');
  });

  test('on another address is told that the edge cannot reach it', () => {
    expect(never([{ address: '::1', port: 4100 }]).summary).toContain('::1 only');
  });

  test('on its port but failing its probe is told what the probe saw', () => {
    const { summary } = never([{ address: '*', port: 4100 }], 'GET / answers 503');
    expect(summary).toContain('GET / answers 503');
  });
});
