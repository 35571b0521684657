import { failedStep, type StepOutcome } from '@pilotfish/domain-deploy';
import {
  codePatterns,
  commonPatterns,
  explainByPattern,
  type FailurePattern,
  meaningful,
} from './patterns.ts';

export interface FailedBuild {
  readonly phase: 'install' | 'build';
  readonly argv: readonly string[];
  readonly code: number | null;
  readonly signal: string | null;
  readonly timedOut: boolean;
  /** The newest lines of the output, free of secrets. */
  readonly tail: readonly string[];
  readonly buildSecondsMax: number;
}

const syncLockfile =
  'Run the installation of your package manager (e.g. `npm install`) and commit the lockfile it changes.';

/** What package managers say; only looked for while they install. */
const installPatterns: readonly FailurePattern[] = [
  {
    cause: 'BUILD_FAILED',
    line: /Failed to replace env in config: \$\{(\w+)\}/,
    summary: (match) => `.npmrc asks for the variable ${match[1]}, which the build does not have.`,
    suggestion: () =>
      'Builds see variables and no secrets: set it as a variable, or let the operator configure the registry.',
  },
  {
    cause: 'BUILD_FAILED',
    line: /can only install packages when your package\.json|ERR_PNPM_OUTDATED_LOCKFILE|lockfile needs to be updated|lockfile would have been modified/,
    summary: () => 'The lockfile does not match package.json.',
    suggestion: () => syncLockfile,
    allOf:
      /can only install packages|Invalid:|Missing:|OUTDATED_LOCKFILE|specifiers|mismatched|lockfile|YN0028/,
  },
  {
    cause: 'BUILD_FAILED',
    // The lockfile is there, or npm would not have been asked to keep to it: it cannot read it.
    line: /can only install with an existing package-lock\.json|ERR_PNPM_BROKEN_LOCKFILE/,
    summary: () =>
      'The lockfile is damaged: it is empty, cut off or holds conflict markers (<<<<<<<) of a merge.',
    suggestion: () =>
      'Resolve the conflict, or take the lockfile of the last good commit; then run the installation (e.g. `npm install`) and commit the lockfile.',
    allOf: /can only install with|npm-shrinkwrap\.json with|later to generate|BROKEN_LOCKFILE/,
  },
  {
    cause: 'BUILD_FAILED',
    line: /No matching version found for (\S+?)\.?$|ERR_PNPM_NO_MATCHING_VERSION.*?for (\S+)|Couldn't find any versions for "([^"]+)"|([^\s:│]+): No candidates found/,
    summary: (match) =>
      `There is no such version: ${match[1] ?? match[2] ?? match[3] ?? match[4]}.`,
    suggestion: () => 'Correct the version in package.json, then install and commit the lockfile.',
  },
  {
    cause: 'BUILD_FAILED',
    line: /npm (?:error|ERR!) (?:code E404|404 {2}The requested resource '([^']+)')|ERR_PNPM_FETCH_404|YN0035.*404/,
    summary: () => 'A package is not in the registry, or may not be read without signing in.',
    suggestion: () =>
      'Correct its name; for a private package the operator has to configure the registry.',
    allOf: /404|YN0035/,
  },
  {
    cause: 'BUILD_FAILED',
    line: /npm (?:error|ERR!) code (?:E401|E403|ENEEDAUTH)|ERR_PNPM_FETCH_40[13]|YN0041/,
    summary: () => 'The package registry refuses access.',
    suggestion: () => 'The operator has to give the engine valid credentials for the registry.',
  },
  {
    cause: 'BUILD_FAILED',
    line: /npm (?:error|ERR!) code ERESOLVE|ERR_PNPM_PEER_DEP_ISSUES/,
    summary: () => 'Two dependencies ask for versions of a third that exclude each other.',
    suggestion: () => 'Choose versions that fit together; the lines name who asks for what.',
    allOf: /Found:|peer |While resolving|from the root project|Conflicting/,
  },
  {
    cause: 'BUILD_FAILED',
    line: /EBADENGINE|ERR_PNPM_UNSUPPORTED_ENGINE|The engine "node" is incompatible/,
    summary: () => 'A dependency asks for another version of Node than this machine has.',
    suggestion: () => 'Take a version of the dependency for this Node, or install that Node here.',
  },
  {
    cause: 'BUILD_FAILED',
    line: /EINTEGRITY|ERR_PNPM_TARBALL_INTEGRITY|YN0018/,
    summary: () => 'A downloaded package is not the one that the lockfile names.',
    suggestion: () => `Find out why the package changed. If it is right: ${syncLockfile}`,
  },
  {
    cause: 'BUILD_FAILED',
    line: /gyp ERR!|node-gyp/,
    summary: () => 'A native module could not be compiled.',
    suggestion: () =>
      'Take a version with a ready-made binary for this Node, or install a compiler and Python on the machine.',
  },
];

const buildPatterns: readonly FailurePattern[] = [
  {
    cause: 'BUILD_FAILED',
    line: /error TS\d+:/,
    summary: () => 'Type checking failed.',
    suggestion: () => 'Mend the types; `npx tsc --noEmit` shows the same errors.',
    allOf: /error TS\d+:/,
  },
  {
    cause: 'BUILD_FAILED',
    line: /Could not resolve "([^"]+)"|Rollup failed to resolve import "([^"]+)"|Can't resolve '([^']+)'/,
    summary: (match) => `An import cannot be found: ${match[1] ?? match[2] ?? match[3]}.`,
    suggestion: () =>
      'Is the file committed, or the package in package.json and the lockfile? Names are case-sensitive.',
  },
];

/** What a package manager says when it did not get through to its registry. */
const registryAway =
  /(?:npm (?:error|ERR!)|ERR_PNPM_META_FETCH_FAIL|YN0001|error An unexpected error occurred).*(?:ECONNREFUSED|ECONNRESET|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|ERR_SOCKET_TIMEOUT|network|socket hang up)/i;

/** The line that shows an installation failing for the network's sake: worth another try. */
export function registryFailure(build: FailedBuild): string | undefined {
  if (build.phase !== 'install' || build.timedOut) return undefined;
  const lines = meaningful(build.tail).filter((line) => registryAway.test(line));
  return lines.find((line) => /request to|reason:/.test(line)) ?? lines[0];
}

/** Why a build failed: cause, the lines that matter, what to try. Pure. */
export function explainBuild(build: FailedBuild): StepOutcome {
  const command = build.argv.join(' ');
  const tail = meaningful(build.tail);
  if (build.timedOut) {
    return failedStep(
      'BUILD_TIMEOUT',
      `The build was stopped after ${build.buildSecondsMax} seconds, while \`${command}\` ran.`,
      'Raise the build time of the application, or find out what the last lines wait for.',
      tail.slice(-10),
    );
  }
  const patterns = build.phase === 'install' ? installPatterns : buildPatterns;
  const explained = explainByPattern(build.tail, [...commonPatterns, ...patterns, ...codePatterns]);
  if (explained !== undefined) return explained;
  if (build.signal === 'SIGKILL' || build.code === 137) {
    return failedStep(
      'OUT_OF_RESOURCES',
      `\`${command}\` was killed from outside, most likely because memory ran out.`,
      'Give the machine more memory, or let the build use less.',
      tail.slice(-10),
    );
  }
  const how = build.signal === null ? `exit code ${build.code}` : build.signal;
  return failedStep(
    'BUILD_FAILED',
    `\`${command}\` ended with ${how}.`,
    build.phase === 'install'
      ? 'Run the same command in a fresh clone: it installs exactly what the lockfile says.'
      : 'Run the same command in a fresh clone, after an installation from the lockfile.',
    tail.slice(-20),
  );
}
