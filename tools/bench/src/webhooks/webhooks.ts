/**
 * The webhook-gateway against what most people would write, on the same payloads in one run. A
 * baseline and ours run right after each other, in turn the one and the other first, and only such
 * pairs are divided by each other; a pair during which others used the machine is run again.
 */
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { tryFileLock } from '@pilotfish/servers';
import type { Benchmark, BenchmarkOptions } from '../benchmark.ts';
import { cleanUp } from '../clean-up.ts';
import type { Figure } from '../figure.ts';
import {
  type Contestant,
  type Stage,
  startBare,
  startInserting,
  startNull,
  startOurs,
  startPublishing,
} from './contestants.ts';
import { createFigures, type Legs } from './figures.ts';
import { makeHooks } from './hooks.ts';
import { describeLeg, type Leg, runLeg } from './leg.ts';
import { type LoadGenerator, openLoadGenerator } from './load-generator.ts';
import { keepToTwoProcessors } from './machine.ts';
import { type PayloadSize, type Pool, writePool } from './payloads.ts';
import { profileGateway } from './profile.ts';
import { startSeries } from './series.ts';
import { startServers } from './servers.ts';

const parts = ['generator', 'a', 'b', 'i', 'c', 'two', '20k', 'mix', 'half', '3000'] as const;
type PartName = (typeof parts)[number];
const quickParts: readonly PartName[] = ['a', '3000', 'half'];
const hookCount = 20;

const starters: Readonly<Partial<Record<PartName, (stage: Stage) => Promise<Contestant>>>> = {
  generator: startNull,
  a: startBare,
  b: (stage) => startPublishing(stage, 'B'),
  i: (stage) => startPublishing(stage, 'I'),
  c: startInserting,
  two: (stage) => startOurs(stage, 2),
};

export const webhooks: Benchmark = {
  name: 'webhooks',
  purpose: 'deliveries a second and their cost, against bare HTTP, JetStream and plain inserts',
  parts,
  flags: ['quick', 'profile'],
  async run(say, options) {
    await using clean = cleanUp(say);
    const lock = tryFileLock(join(tmpdir(), 'pilotfish-bench.lock'));
    if (lock === undefined)
      throw new Error('another benchmark runs: they would disturb each other');
    clean.defer(() => lock.release());
    keepToTwoProcessors(say);
    const generator = await openLoadGenerator(options.env, say);
    const servers = await startServers(options.env, clean, say);
    clean.defer(() => generator.stop());
    const hooks = await makeHooks(servers, hookCount);
    const { env, root } = options;
    const stage: Stage = { servers, secret: hooks.secret, root, env, cleanUp: clean };
    const pools = new Map<PayloadSize, Pool>();
    const poolOf = (size: PayloadSize) => {
      const file = join(servers.folder, `${size}.pool`);
      const pool = pools.get(size) ?? writePool(file, size, hooks);
      pools.set(size, pool);
      return pool;
    };
    if (options.profile) {
      await profileGateway({ stage, generator, pool: poolOf('7k'), say });
      return [];
    }
    return await race({ say, options, generator, stage, poolOf });
  },
};

interface Race {
  readonly say: (progress: string) => void;
  readonly options: BenchmarkOptions;
  readonly generator: LoadGenerator;
  readonly stage: Stage;
  poolOf(size: PayloadSize): Pool;
}

async function race(context: Race): Promise<readonly Figure[]> {
  const { say, options, generator, stage, poolOf } = context;
  const asked = (
    options.only.length > 0 ? options.only : options.quick ? quickParts : parts
  ) as readonly PartName[];
  const rounds = options.quick ? 1 : 3;
  const seconds = options.quick ? 3 : 6;
  const running = new Map<PartName, Contestant>();
  for (const part of asked) {
    const contestant = await starters[part]?.(stage);
    if (contestant !== undefined) running.set(part, contestant);
  }
  const ours = await startOurs(stage, 1);
  const measure = async (contestant: Contestant, size: PayloadSize, rate = 0, length = seconds) => {
    const wanted = { pool: poolOf(size), rate, seconds: length };
    const leg = await runLeg(generator, stage.servers, contestant, wanted);
    const title = `${contestant.name} ${size}${rate === 0 ? '' : ` at ${rate.toFixed(0)}/s`}`;
    say(`  ${describeLeg(title, leg)}`);
    return leg;
  };
  say('warming up');
  for (const one of [ours, ...running.values()]) await measure(one, '7k', 0, options.quick ? 2 : 3);
  const series = startSeries(say, options.quick);
  const legs: Legs = { ours: [], pairs: { a: [], b: [], i: [], c: [] }, others: new Map() };
  for (let round = 1; round <= rounds; round += 1) {
    say(`round ${round} of ${rounds}`);
    for (const part of asked) {
      const measured = await series.together(() =>
        runPart(part, {
          ours,
          other: running.get(part),
          measure,
          legs,
          oursFirst: round % 2 === 0,
        }),
      );
      keep(legs, part, measured);
    }
  }
  return createFigures(legs, series);
}

interface PartContext {
  readonly ours: Contestant;
  readonly other: Contestant | undefined;
  readonly legs: Legs;
  readonly oursFirst: boolean;
  measure(contestant: Contestant, size: PayloadSize, rate?: number): Promise<Leg>;
}

/** The legs of one part; of a pair always the baseline's first. */
async function runPart(part: PartName, context: PartContext): Promise<readonly Leg[]> {
  const { ours, other, oursFirst, measure } = context;
  if (part === '20k' || part === 'mix') return [await measure(ours, part)];
  if (part === '3000') return [await measure(ours, '7k', 3000)];
  if (part === 'half') return [await measure(ours, '7k', await halfRate(context))];
  if (other === undefined) throw new Error(`${part} does not run`);
  if (part === 'generator' || part === 'two') return [await measure(other, '7k')];
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
