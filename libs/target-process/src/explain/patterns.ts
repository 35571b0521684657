import type { CauseClass } from '@pilotfish/contracts';

/** One kind of failure as its output shows it. */
export interface FailurePattern {
  readonly cause: CauseClass;
  readonly line: RegExp;
  readonly summary: string;
  readonly suggestion: string;
}

/** The first pattern, in the order of the list, that some line of the output matches. */
export function findPattern(
  output: readonly string[],
  patterns: readonly FailurePattern[],
): FailurePattern | undefined {
  return patterns.find((pattern) => output.some((line) => pattern.line.test(line)));
}

/** The matching line with its neighbours. */
export function linesThatMatter(
  output: readonly string[],
  pattern: FailurePattern,
): readonly string[] {
  const at = output.findIndex((line) => pattern.line.test(line));
  return output.slice(Math.max(0, at - 6), at + 14);
}
