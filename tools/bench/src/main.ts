import { parseArgs } from 'node:util';
import { Fault } from '@pilotfish/kernel';
import type { Benchmark } from './benchmark.ts';
import { formatFigures, isMet } from './figure.ts';
import { idle } from './idle.ts';
import { inbox } from './inbox/inbox.ts';
import { pushToLive } from './push-to-live.ts';
import { start } from './start.ts';
import { webhooks } from './webhooks/webhooks.ts';

const benchmarks: readonly Benchmark[] = [pushToLive, start, idle, webhooks, inbox];

const usage = `npm run bench -- NAME [--quick] [--only PART[,PART]] [--profile] [--json]

${benchmarks.map((one) => `  ${one.name.padEnd(14)}${one.purpose}`).join('\n')}

  --quick    one round of short legs: to compare two builds, not to publish
  --only     these parts of it: ${benchmarks.map(partsOf).filter(Boolean).join('; ')}
  --profile  where its processor time goes, in place of figures
  --json     print one JSON object {name, figures} as the last line

The goals stand beside the figures; exit code 1 says that one was missed.
`;

function partsOf({ name, parts = [] }: Benchmark): string {
  return parts.length === 0 ? '' : `${name}: ${parts.join(', ')}`;
}

/** What is asked for; a sentence where it makes no sense. */
function readCommandLine() {
  const flag = { type: 'boolean' } as const;
  const own = { quick: flag, profile: flag, only: { type: 'string' } } as const;
  const options = { ...own, json: flag, help: flag } as const;
  try {
    const { values, positionals } = parseArgs({ allowPositionals: true, options });
    const [name, ...others] = positionals;
    const benchmark = benchmarks.find((one) => one.name === name);
    if (values.help === true || (benchmark !== undefined && others.length === 0)) {
      return benchmark === undefined ? { ...values, benchmark } : check(values, benchmark);
    }
    return name === undefined
      ? 'Name one benchmark'
      : `There is no benchmark "${positionals.join(' ')}"`;
  } catch (error) {
    // What Node says after the first sentence is about Node.
    return String((error as Error).message).split('. ')[0] ?? '';
  }
}

interface Flags {
  readonly quick?: boolean;
  readonly profile?: boolean;
  readonly only?: string;
  readonly json?: boolean;
  readonly help?: boolean;
}

function check(values: Flags, benchmark: Benchmark): string | (Flags & { benchmark: Benchmark }) {
  const { flags = [], name, parts = [] } = benchmark;
  for (const flag of ['quick', 'profile'] as const) {
    if (values[flag] === true && !flags.includes(flag)) return `"${name}" has no --${flag}`;
  }
  const unknown = listOf(values.only).find((part) => !parts.includes(part));
  if (unknown !== undefined) return `"${name}" has no part "${unknown}"`;
  return { ...values, benchmark };
}

function listOf(only: string | undefined): string[] {
  return only?.split(',').filter(Boolean) ?? [];
}

async function main(): Promise<number> {
  const asked = readCommandLine();
  if (typeof asked === 'string') {
    process.stderr.write(`pilotfish: ${asked}; see npm run bench -- --help.\n`);
    return 64;
  }
  const { benchmark, json } = asked;
  if (benchmark === undefined || asked.help === true) {
    process.stdout.write(usage);
    return 0;
  }
  const say = (progress: string) => void process.stderr.write(`${progress}\n`);
  const figures = await benchmark.run(say, {
    env: process.env,
    root: process.env.PILOTFISH_ROOT ?? process.cwd(),
    quick: asked.quick === true,
    only: listOf(asked.only),
    profile: asked.profile === true,
  });
  if (figures.length > 0) process.stdout.write(`${formatFigures(figures)}\n`);
  if (json === true) process.stdout.write(`${JSON.stringify({ name: benchmark.name, figures })}\n`);
  return figures.some((figure) => isMet(figure) === false) ? 1 : 0;
}

// Whoever reads along may go away (`| head`); servers must not be left behind because of it.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
try {
  process.exitCode = await main();
} catch (error) {
  if (!(error instanceof Fault)) throw error;
  process.stderr.write(`pilotfish: ${error.detail}\n`);
  process.exitCode = 1;
}
