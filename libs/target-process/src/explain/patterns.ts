import type { CauseClass } from '@pilotfish/contracts';
import { failedStep, type StepOutcome } from '@pilotfish/domain-deploy';

/** One kind of failure as its output shows it. */
export interface FailurePattern {
  readonly cause: CauseClass;
  /** Tried on each line; its groups are given to the two sentences. */
  readonly line: RegExp;
  summary(match: RegExpExecArray): string;
  suggestion(match: RegExpExecArray): string;
  /** Where several lines say it, all of these; else the match with its neighbours. */
  readonly allOf?: RegExp;
}

/** Lines that repeat what others say, or are about the tool and not about the failure. */
const noise =
  /^(?:npm (?:error|ERR!)\s*$|npm notice|npm (?:error|ERR!) A complete log of this run|npm (?:error|ERR!) (?:aliases:|Options:|Usage:|Run "npm help|\[-|\s+-|For a full report)|npm warn Unknown (?:env|user) config|\s*at .*\(?node:|\s*\d+: 0x[0-9a-f]+|----- |Node\.js v\d)/;

/** How many lines before and after a match are worth reading. */
const before = 5;
const after = 10;

/** The lines of an output worth reading, in order, without noise and blank lines. */
export function meaningful(output: readonly string[]): string[] {
  return output.filter((line) => line.trim() !== '' && !noise.test(line));
}

interface Found {
  readonly pattern: FailurePattern;
  readonly match: RegExpExecArray;
  readonly at: number;
}

/** The first pattern, in the order of the list, that some line of the output matches. */
function find(output: readonly string[], patterns: readonly FailurePattern[]): Found | undefined {
  for (const pattern of patterns) {
    for (const [at, line] of output.entries()) {
      const match = pattern.line.exec(line);
      if (match !== null) return { pattern, match, at };
    }
  }
  return undefined;
}

/** The failure that the output shows by one of the patterns; undefined where none is in it. */
export function explainByPattern(
  output: readonly string[],
  patterns: readonly FailurePattern[],
): StepOutcome | undefined {
  const lines = meaningful(output);
  const found = find(lines, patterns);
  if (found === undefined) return undefined;
  const { pattern, match, at } = found;
  const { allOf } = pattern;
  const matter =
    allOf === undefined
      ? lines.slice(Math.max(0, at - before), at + after)
      : lines.filter((line) => allOf.test(line)).slice(0, 30);
  return failedStep(pattern.cause, pattern.summary(match), pattern.suggestion(match), matter);
}

/** Failures that look the same while building and while starting. */
export const commonPatterns: readonly FailurePattern[] = [
  {
    cause: 'OUT_OF_RESOURCES',
    line: /ENOSPC|No space left on device/i,
    summary: () => 'The disk of the machine is full.',
    suggestion: () =>
      'Free space on the machine; stopped and deleted applications give theirs back.',
  },
  {
    cause: 'OUT_OF_RESOURCES',
    line: /JavaScript heap out of memory|Cannot allocate memory|ENOMEM|out of memory allocating/i,
    summary: () => 'Memory ran out.',
    suggestion: () =>
      'Let it use less, or raise its limit: the variable NODE_OPTIONS=--max-old-space-size=2048 gives Node 2 GB.',
  },
];

/** Ways in which code itself is broken, for Node. */
export const codePatterns: readonly FailurePattern[] = [
  {
    cause: 'BUILD_FAILED',
    line: /Missing script: "?([\w:.-]+)"?|ERR_PNPM_NO_SCRIPT\s+Missing script: ([\w:.-]+)|error Command "([\w:.-]+)" not found/,
    summary: (match) => `package.json has no script named ${match[1] ?? match[2] ?? match[3]}.`,
    suggestion: () => 'Add the script to package.json, or correct the name where it is called.',
  },
  {
    cause: 'BUILD_FAILED',
    line: /(?:^|: )(?:sh|bash|env)?(?:: line)?:? ?(?:\d+: )?["'‘]?([\w@./-]+)["'’]?: (?:command )?not found$/,
    summary: (match) => `The command ${match[1]} does not exist.`,
    suggestion: (match) =>
      `Add the package that brings ${match[1]} to dependencies or devDependencies and commit the lockfile.`,
  },
  {
    cause: 'BUILD_FAILED',
    line: /require is not defined in ES module scope|Cannot use import statement outside a module/,
    summary: () => 'A file mixes the two kinds of modules: require and import.',
    suggestion: () =>
      'Set "type": "module" in package.json for files with import, or name files with require *.cjs.',
  },
  {
    cause: 'BUILD_FAILED',
    line: /^(?:Uncaught )?SyntaxError: (.+)$/,
    summary: (match) => `The code has a syntax error: ${match[1]}.`,
    suggestion: () => 'Mend the line that is shown; `node --check FILE` finds such errors.',
  },
  {
    cause: 'BUILD_FAILED',
    line: /Cannot find (?:module|package) '([^']+)'/,
    summary: (match) => `${match[1]} cannot be found.`,
    suggestion: (match) =>
      /^[./]/.test(match[1] ?? '')
        ? 'Is the file committed, and does the build step make it? Names of files are case-sensitive.'
        : 'Add it to dependencies in package.json and commit the lockfile.',
  },
];
