/** What `npm start`, `npm test` and `npm run bench` take on their command line. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { BootstrapError } from './ensure-installed.mjs';

/** The file is also the source of the first table in docs/configuration.md. */
const variables = JSON.parse(readFileSync(join(import.meta.dirname, 'variables.json'), 'utf8'));

/** `EX_USAGE` of sysexits(3). */
const usageError = 64;

/**
 * Help asked for is printed and ends the process.
 *
 * @param command `name` as people type it, `purpose`, `options` as parseArgs takes them, each with
 *   a `meaning`; `key` among the variables' commands
 * @returns the options' values
 * @throws BootstrapError in one sentence, with exit code 64, for an argument that it does not know
 */
export function readCommandLine(command, args) {
  const options = { ...command.options, help: { type: 'boolean', meaning: 'print this' } };
  try {
    const { values } = parseArgs({ args, options });
    if (!values.help) return values;
  } catch (error) {
    // What Node says after the first sentence is about Node.
    const [sentence] = error.message.split('. ');
    throw new BootstrapError(`${sentence}; see ${command.name} -- --help.`, usageError);
  }
  process.stdout.write(describeCommand({ ...command, options }));
  process.exit(0);
}

function describeCommand({ key, name, purpose, options }) {
  const plain = (text) => text.replaceAll('`', '');
  const optionRows = Object.entries(options).map(([option, { meaning }]) => [
    `--${option}`,
    meaning,
  ]);
  const variableRows = variables
    .filter(({ commands }) => commands.includes(key))
    .map((one) => [
      one.name,
      one.default === '' ? one.meaning : `${one.meaning} (default: ${one.default})`,
    ]);
  const width = Math.max(...[...optionRows, ...variableRows].map(([first]) => first.length)) + 2;
  const table = (rows) =>
    rows.map(([first, second]) => `  ${first.padEnd(width)}${plain(second)}`).join('\n');
  return `${name}: ${purpose}

Options, after --:
${table(optionRows)}

Environment variables:
${table(variableRows)}

README.md begins at the beginning; docs/configuration.md has every variable, docs/operations.md
how to run it. The commands: npm start, npm test, npm run test:full, npm run bench -- --help.
`;
}
