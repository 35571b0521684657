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
`;

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { json: { type: 'boolean', default: false }, help: { type: 'boolean' } },
  });
  const benchmark = benchmarks.find((one) => one.name === positionals[0]);
  if (values.help === true || benchmark === undefined) {
    process.stdout.write(usage);
    return values.help === true ? 0 : 64;
  }
  const figures = await benchmark.run((progress) => process.stderr.write(`${progress}\n`));
  process.stdout.write(`${formatFigures(figures)}\n`);
  if (values.json) process.stdout.write(`${JSON.stringify({ name: benchmark.name, figures })}\n`);
  return figures.some((figure) => isMet(figure) === false) ? 1 : 0;
}

process.exitCode = await main();
