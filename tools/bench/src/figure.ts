/** What a figure must be, at least or at most, and the `aim` where we want to go beyond that. */
export interface Goal {
  readonly max?: number;
  readonly min?: number;
  readonly aim?: number;
}

/** One measured quantity: median and spread over the runs. */
export interface Figure {
  readonly key: string;
  readonly unit: string;
  readonly median: number;
  readonly min: number;
  readonly max: number;
  readonly goal: Goal | null;
}

/** @throws RangeError without a sample: a figure that was not measured is none */
export function figureOf(
  key: string,
  unit: string,
  samples: readonly number[],
  goal: Goal | null = null,
): Figure {
  const sorted = samples.toSorted((a, b) => a - b);
  const [first] = sorted;
  const last = sorted.at(-1);
  if (first === undefined || last === undefined) throw new RangeError(`${key}: nothing measured`);
  const middle = (sorted.length - 1) / 2;
  const median = ((sorted[Math.floor(middle)] ?? first) + (sorted[Math.ceil(middle)] ?? last)) / 2;
  const round = (value: number) => Number(value.toPrecision(4));
  return { key, unit, median: round(median), min: round(first), max: round(last), goal };
}

/** True, false, or null where there is no goal. */
export function isMet({ median, goal }: Figure): boolean | null {
  if (goal === null) return null;
  return median <= (goal.max ?? Infinity) && median >= (goal.min ?? -Infinity);
}

/** A table for people. */
export function formatFigures(figures: readonly Figure[]): string {
  const rows = figures.map((figure) => [
    figure.key,
    `${figure.median} ${figure.unit}`,
    `${figure.min} … ${figure.max}`,
    describeGoal(figure),
  ]);
  const head = ['figure', 'median', 'spread', 'goal'];
  const width = head.map((title, i) =>
    Math.max(...[title, ...rows.map((r) => r[i] ?? '')].map((t) => t.length)),
  );
  return [head, ...rows]
    .map((row) =>
      row
        .map((cell, i) => cell.padEnd(width[i] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** True where the aim was reached as well, or null where there is none. */
function isAimReached({ median, goal }: Figure): boolean | null {
  if (goal?.aim === undefined) return null;
  return goal.min === undefined ? median <= goal.aim : median >= goal.aim;
}

/** `≤ 5, aim 2: met`: the bound first, then what we want, then how it stands. */
function describeGoal(figure: Figure): string {
  const { goal } = figure;
  if (goal === null) return '';
  const bounds = [
    goal.max === undefined ? '' : `≤ ${goal.max}`,
    goal.min === undefined ? '' : `≥ ${goal.min}`,
    goal.aim === undefined ? '' : `aim ${goal.aim}`,
  ];
  const verdict = isMet(figure) ? (isAimReached(figure) ? 'met with its aim' : 'met') : 'MISSED';
  return `${bounds.filter(Boolean).join(', ')}: ${verdict}`;
}
