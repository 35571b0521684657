/** The rounds of a run: which legs there are, in which order, and which of them are kept. */
import type { BenchmarkOptions } from '../benchmark.ts';
import type { Figure } from '../figure.ts';
import {
  type Contestant,
  type Stage,
  startBare,
  startDispatcher,
  startInserting,
  startNull,
  startOurs,
  startPublishing,
} from './contestants.ts';
import { pushAll } from './dispatch-delay.ts';
import { createFigures, type Legs } from './figures.ts';
import { type FollowedBranches, makeFollowedBranches } from './followed-branches.ts';
import type { Hooks } from './hooks.ts';
import { describeLeg, type Leg, type LegOptions, runLeg } from './leg.ts';
import type { LoadGenerator } from './load-generator.ts';
import type { PayloadSize, Pool } from './payloads.ts';
import { startSeries, triesMax } from './series.ts';

/** What can be run alone, in the order of a whole run. */
export const parts = [
  'generator',
  'a',
  'b',
  'i',
  'c',
  'two',
  '20k',
  'mix',
  'half',
  '3000',
  'a3000',
  'dispatch',
] as const;
type PartName = (typeof parts)[number];

const quickParts: readonly PartName[] = ['a', '3000', 'a3000', 'half'];
const roundsMax = 3;

const starters: Readonly<Partial<Record<PartName, (stage: Stage) => Promise<Contestant>>>> = {
  generator: startNull,
  a: startBare,
  a3000: startBare,
  b: (stage) => startPublishing(stage, 'B'),
  i: (stage) => startPublishing(stage, 'I'),
  c: startInserting,
  two: (stage) => startOurs(stage, 2),
};

export interface Race {
  readonly say: (progress: string) => void;
  readonly options: BenchmarkOptions;
  readonly generator: LoadGenerator;
  readonly stage: Stage;
  readonly hooks: Hooks;
  poolOf(size: PayloadSize): Pool;
}

/** A leg with what is usual for everything that is not told. */
type Measure = (
  contestant: Contestant,
  size: PayloadSize,
  wanted?: Partial<LegOptions>,
) => Promise<Leg>;

export async function race(context: Race): Promise<readonly Figure[]> {
  const { say, options, stage } = context;
  const { only, quick } = options;
  const asked = (only.length > 0 ? only : quick ? quickParts : parts) as readonly PartName[];
  const running = new Map<PartName, Contestant>();
  for (const part of asked) {
    const contestant = await starters[part]?.(stage);
    if (contestant !== undefined) running.set(part, contestant);
  }
  const ours = await startOurs(stage, 1);
  const followed = asked.includes('dispatch') ? await followBranches(context) : undefined;
  const measure = measureWith(context);
  say('warming up');
  for (const one of [ours, ...running.values()]) {
    await measure(one, '7k', { seconds: quick ? 4 : 15 });
  }
  const series = startSeries(say, quick);
  const legs: Legs = { ours: [], pairs: { a: [], b: [], i: [], c: [] }, others: new Map() };
  const rounds = quick ? 1 : roundsMax;
  for (let round = 1; round <= rounds; round += 1) {
    say(`round ${round} of ${rounds}`);
    for (const part of asked) {
      const other = running.get(part);
      const oursFirst = round % 2 === 0;
      const of = { ...context, ours, other, followed, measure, legs, oursFirst };
      keep(legs, part, await series.together(() => runPart(part, of)));
    }
  }
  return createFigures(legs, series);
}

function measureWith({ say, options, generator, stage, poolOf }: Race): Measure {
  const usual = { rate: 0, seconds: options.quick ? 3 : 6 };
  return async (contestant, size, wanted = {}) => {
    const all = { ...usual, ...wanted, pool: poolOf(size) };
    const leg = await runLeg(generator, stage.servers, contestant, all);
    const rate = all.rate === 0 ? '' : ` at ${all.rate.toFixed(0)}/s`;
    say(`  ${describeLeg(`${contestant.name} ${size}${rate}`, leg)}`);
    return leg;
  };
}

interface PartContext extends Race {
  readonly ours: Contestant;
  readonly other: Contestant | undefined;
  readonly followed: FollowedBranches | undefined;
  readonly legs: Legs;
  readonly oursFirst: boolean;
  readonly measure: Measure;
}

/** The legs of one part; of a pair always the baseline's first. */
async function runPart(part: PartName, context: PartContext): Promise<readonly Leg[]> {
  const { ours, other, oursFirst, measure } = context;
  if (part === '20k' || part === 'mix') return [await measure(ours, part)];
  if (part === '3000') return [await measure(ours, '7k', { rate: 3000 })];
  if (part === 'half') return [await measure(ours, '7k', { rate: await halfRate(context) })];
  if (part === 'dispatch') return [await dispatch(context)];
  if (other === undefined) throw new Error(`${part} does not run`);
  if (part === 'generator' || part === 'two') return [await measure(other, '7k')];
  if (part === 'a3000') return [await measure(other, '7k', { rate: 3000 })];
  const first = await measure(oursFirst ? ours : other, '7k');
  const second = await measure(oursFirst ? other : ours, '7k');
  return oursFirst ? [second, first] : [first, second];
}

/** Half of what was measured at full load so far. */
async function halfRate({ legs, ours, measure }: PartContext): Promise<number> {
  if (legs.ours.length === 0) legs.ours.push(await measure(ours, '7k'));
  const rates = legs.ours.map(({ rate }) => rate).sort((a, b) => a - b);
  return (rates[Math.floor(rates.length / 2)] ?? 0) / 2;
}

/** Four deployments a second; each is six processes of Git, on both sides: more would be a load of Git's own. */
const pushEveryMs = 250;
/** From then on pushes are made, and so long before its end no more. */
const pushMarginMs = 1000;
const dispatchSeconds = 12;
const pushesPerLeg = (dispatchSeconds * 1000 - 2 * pushMarginMs) / pushEveryMs;

/** As many as all tries of all rounds take. */
async function followBranches({ stage, hooks }: Race): Promise<FollowedBranches> {
  const [hook] = hooks.each;
  if (hook === undefined) throw new Error('no webhook to push to');
  const { servers, cleanUp } = stage;
  return await makeFollowedBranches({
    databaseUrl: servers.postgres.url,
    organizationId: hook.organizationId,
    count: 2 * pushesPerLeg * roundsMax * triesMax,
    cleanUp,
  });
}

/**
 * Half load with the dispatcher beside; pushes that start something are among it. The dispatcher does
 * not run beside other legs, so it is warmed up by a leg that does not count.
 */
async function dispatch(context: PartContext): Promise<Leg> {
  const { ours, followed, hooks, stage, measure } = context;
  const [hook] = hooks.each;
  if (followed === undefined || hook === undefined) throw new Error('nothing follows a branch');
  const rate = await halfRate(context);
  const dispatcher = await startDispatcher(stage);
  const withDispatcher = { ...ours, pids: { ...ours.pids, dispatcher: [dispatcher.pid] } };
  const push = () =>
    pushAll({
      port: ours.port,
      path: hook.path,
      secret: hooks.secret,
      repositoryUrl: followed.repositoryUrl,
      databaseUrl: stage.servers.postgres.url,
      branches: followed.take(pushesPerLeg),
      afterMs: pushMarginMs,
      everyMs: pushEveryMs,
    });
  const options = { rate, seconds: dispatchSeconds, meanwhile: push };
  try {
    await measure(withDispatcher, '7k', options);
    return await measure(withDispatcher, '7k', options);
  } finally {
    await dispatcher.stop();
  }
}

function keep(legs: Legs, part: PartName, measured: readonly Leg[]): void {
  const [first, second] = measured;
  if (first === undefined) return;
  if (part === 'a' || part === 'b' || part === 'i' || part === 'c') {
    if (second === undefined) return;
    legs.pairs[part].push({ theirs: first, ours: second });
    legs.ours.push(second);
    return;
  }
  legs.others.set(part, [...(legs.others.get(part) ?? []), first]);
}
