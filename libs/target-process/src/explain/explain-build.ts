import { failedStep, type StepOutcome } from '@pilotfish/domain-deploy';
import type { BuildPlan } from '../plan/build-plan.ts';
import { type FailurePattern, findPattern, linesThatMatter } from './patterns.ts';

export interface FailedBuild {
  readonly phase: 'install' | 'build';
  readonly argv: readonly string[];
  readonly code: number | null;
  readonly signal: string | null;
  readonly timedOut: boolean;
  /** The newest lines of the output, free of secrets. */
  readonly tail: readonly string[];
  readonly plan: BuildPlan;
  readonly buildSecondsMax: number;
}

/** Why a build failed: cause, the lines that matter, what to try. Pure. */
export function explainBuild(build: FailedBuild): StepOutcome {
  const command = build.argv.join(' ');
  if (build.timedOut) {
    return failedStep(
      'BUILD_TIMEOUT',
      `The build was stopped after ${build.buildSecondsMax} seconds, while \`${command}\` ran.`,
      'Raise the build time of the application, or find out what the last lines wait for.',
      build.tail.slice(-10),
    );
  }
  const pattern = findPattern(build.tail, buildPatterns);
  if (pattern !== undefined) {
    const lines = linesThatMatter(build.tail, pattern);
    return failedStep(pattern.cause, pattern.summary, pattern.suggestion, lines);
  }
  if (build.signal === 'SIGKILL' || build.code === 137) {
    return failedStep(
      'OUT_OF_RESOURCES',
      `\`${command}\` was killed, most likely because memory ran out.`,
      'Give the machine more memory, or let the build use less.',
      build.tail.slice(-10),
    );
  }
  const how = build.signal === null ? `exit code ${build.code}` : build.signal;
  return failedStep(
    'BUILD_FAILED',
    `\`${command}\` ended with ${how}.`,
    build.phase === 'install'
      ? 'Run the same command in a fresh clone; it installs exactly what the lockfile says.'
      : 'Run the same command in a fresh clone after an installation from the lockfile.',
    build.tail.slice(-20),
  );
}

const buildPatterns: readonly FailurePattern[] = [];
