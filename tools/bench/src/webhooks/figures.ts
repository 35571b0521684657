import { type Figure, figureOf, type Goal } from '../figure.ts';
import { parts } from './contestants.ts';
import { percentile } from './dispatch-delay.ts';
import type { Leg } from './leg.ts';
import type { Series } from './series.ts';

export interface Pair {
  readonly theirs: Leg;
  readonly ours: Leg;
}

/** Everything that was measured and counts. */
export interface Legs {
  /** Ours alone at full load with 7 KB. */
  readonly ours: Leg[];
  readonly pairs: Readonly<Record<'a' | 'b' | 'i' | 'c', Pair[]>>;
  readonly others: Map<string, readonly Leg[]>;
}

type Found = readonly (Figure | null)[];

/** Ratios first, as they hold on any machine; then rates; then what everything cost. */
export function createFigures(legs: Legs, series: Series): readonly Figure[] {
  const of = (part: string) => legs.others.get(part) ?? [];
  const theirs = (pairs: readonly Pair[]) => pairs.map((pair) => pair.theirs);
  const found: Found = [
    ...ratioFigures(legs),
    ...rateFigures(legs.ours, of),
    ...costs('ours', legs.ours),
    ...costs('ours_two', of('two')),
    ...costs('ours_20k', of('20k')),
    ...Object.entries(legs.pairs).flatMap(([name, pairs]) => [
      figure(`rate_${name}`, '/s', rates(theirs(pairs))),
      ...costs(name, theirs(pairs)),
    ]),
    ...generatorFigures(of('generator')),
    ...trustFigures(legs, series),
  ];
  return found.filter((one) => one !== null);
}

function ratioFigures({ ours, pairs }: Legs): Found {
  const total = ({ cpu }: Leg) => cpu.gateway + cpu.postgres;
  const rate = (leg: Leg) => leg.rate;
  const wal = ours.map((leg) => leg.walPerByte);
  return [
    figure(
      'gateway_cpu_over_a',
      '',
      ratios(pairs.a, (leg) => leg.cpu.gateway),
      {
        max: 2.5,
        aim: 1.8,
      },
    ),
    figure('rate_over_b', '', ratios(pairs.b, rate), { min: 1.8, aim: 2.3 }),
    figure('rate_over_i', '', ratios(pairs.i, rate), { min: 5, aim: 6.5 }),
    figure(
      'cpu_of_c_over_ours',
      '',
      ratios(pairs.c, (leg) => 1 / total(leg)),
      { min: 4, aim: 5 },
    ),
    figure('wal_per_body_byte', '', wal, { max: 0.5, aim: 0.3 }),
  ];
}

function rateFigures(ours: readonly Leg[], of: (part: string) => readonly Leg[]): Found {
  const half = of('half');
  const cores = of('3000').map((leg) => leg.storeCores);
  return [
    figure('rate_7k', '/s', rates(ours), { min: 12_000, aim: 18_000 }),
    figure('rate_20k', '/s', rates(of('20k')), { min: 6000, aim: 10_000 }),
    figure('rate_mix', '/s', rates(of('mix'))),
    figure('rate_two_processes', '/s', rates(of('two'))),
    figure('p99_at_half', 'ms', half.map(p99), { max: 10, aim: 4 }),
    figure(
      'p50_at_half',
      'ms',
      half.map(({ report }) => report.p50Ms),
    ),
    ...pushFigures(of('dispatch')),
    figure('cores_at_3000', '', cores, { max: 0.65, aim: 0.5 }),
    figure(
      'cores_of_a_at_3000',
      '',
      of('a3000').map((leg) => leg.storeCores),
    ),
  ];
}

/** Of pushes among the load: until their deployment requests were visible. */
function pushFigures(legs: readonly Leg[]): Found {
  const share = (of: number) => legs.map(({ pushDelaysMs }) => percentile(pushDelaysMs, of));
  return [
    figure('push_to_request_p99', 'ms', share(0.99), { max: 250 }),
    figure('push_to_request_p50', 'ms', share(0.5)),
    ...costs('dispatching', legs),
  ];
}

/** Of the load generator, against a server that only answers. */
function generatorFigures(legs: readonly Leg[]): Found {
  const micros = legs.map((leg) => leg.generatorCpu);
  return [
    figure('generator_cpu_per_request', 'µs', micros),
    figure(
      'generator_capacity',
      '/s',
      micros.map((one) => 1e6 / one),
    ),
    figure('generator_rate_seen', '/s', rates(legs)),
  ];
}

/** Whether the rest can be believed. */
function trustFigures({ ours, pairs, others }: Legs, series: Series): Found {
  const stored = [
    ...ours,
    ...[...others].flatMap(([part, of]) => (part === 'generator' ? [] : of)),
  ];
  const all = [...stored, ...Object.values(pairs).flatMap((of) => of.map(({ theirs }) => theirs))];
  const unanswered = all.map(({ report }) => report.refused + report.broken);
  const disturbance = all.map((leg) => leg.disturbance * 100);
  const miscounted = stored.map((leg) => leg.miscounted);
  return [
    figure('miscounted', 'deliveries', miscounted, { max: 0 }),
    figure('refused_or_unanswered', 'requests', unanswered),
    figure('disturbance', '%', disturbance),
    figure('discarded_tries', '', [series.discarded()]),
    figure('counted_though_disturbed', '', [series.disturbed()]),
  ];
}

function rates(legs: readonly Leg[]): number[] {
  return legs.map(({ rate }) => rate);
}

/** From the moment a delivery was due: how late it left counts as well. */
function p99({ report }: Leg): number {
  return report.p99Ms + report.lagP99Ms;
}

function ratios(pairs: readonly Pair[], of: (leg: Leg) => number): number[] {
  return pairs.map(({ ours, theirs }) => of(ours) / of(theirs));
}

/** Of each process, per delivery. */
function costs(name: string, legs: readonly Leg[]): Found {
  return parts.map((part) => {
    const micros = legs.map(({ cpu }) => cpu[part]).filter((one) => one > 0);
    return figure(`cpu_${name}_${part}`, 'µs', micros);
  });
}

/** Null for what was not measured. */
function figure(
  key: string,
  unit: string,
  samples: readonly number[],
  goal: Goal | null = null,
): Figure | null {
  return samples.length === 0 ? null : figureOf(key, unit, samples, goal);
}
