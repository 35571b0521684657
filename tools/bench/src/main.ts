import { parseArgs } from 'node:util';
import type { Benchmark } from './benchmark.ts';
import { formatFigures, isMet } from './figure.ts';
import { idle } from './idle.ts';
import { pushToLive } from './push-to-live.ts';
import { start } from './start.ts';

const benchmarks: readonly Benchmark[] = [pushToLive, start, idle];

const usage = `npm run bench -- NAME [--json]

${benchmarks.map((one) => `  ${one.name.padEnd(14)}${one.purpose}`).join('\n')}

  --json   print one JSON object {name, figures} as the last line

The goals stand beside the figures; exit code 1 says that one was missed.
`;

/** What is asked for; a sentence where it makes no sense. */
function readCommandLine() {
  const options = { json: { type: 'boolean' }, help: { type: 'boolean' } } as const;
  try {
    const { values, positionals } = parseArgs({ allowPositionals: true, options });
    const [name, ...others] = positionals;
    const benchmark = benchmarks.find((one) => one.name === name);
    if (values.help === true || (benchmark !== undefined && others.length === 0)) {
      return { ...values, benchmark };
    }
    return name === undefined
      ? 'Name one benchmark'
      : `There is no benchmark "${positionals.join(' ')}"`;
  } catch (error) {
    // What Node says after the first sentence is about Node.
    return String((error as Error).message).split('. ')[0] ?? '';
  }
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
  const figures = await benchmark.run((progress) => process.stderr.write(`${progress}\n`));
  process.stdout.write(`${formatFigures(figures)}\n`);
  if (json === true) process.stdout.write(`${JSON.stringify({ name: benchmark.name, figures })}\n`);
  return figures.some((figure) => isMet(figure) === false) ? 1 : 0;
}

process.exitCode = await main();
