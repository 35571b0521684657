import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { MessageDefinition } from '@pilotfish/contracts';
import type { ConfigRow } from '@pilotfish/runtime';
import type { MessageExample } from './message-examples.ts';

const notice = 'Made by `npm run docs`; a test compares it with the code.';

/** A cell must not end its column or its row. */
function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ');
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map(cell).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

interface PlatformVariable {
  readonly name: string;
  readonly meaning: string;
  readonly default: string;
}

/** What `npm start` and the tests read; the services' variables come from their own schemas. */
function readPlatformVariables(): readonly PlatformVariable[] {
  const path = join(import.meta.dirname, '../../bootstrap/variables.json');
  return JSON.parse(readFileSync(path, 'utf8')) as readonly PlatformVariable[];
}

/** docs/configuration.md. */
export function renderConfiguration(
  services: Readonly<Record<string, readonly ConfigRow[]>>,
): string {
  const head = ['variable', 'what it says', 'default'];
  const sections = Object.entries(services).map(([name, rows]) => {
    const cells = rows.map((row) => {
      const byDefault = row.defaultValue === '' ? '' : `\`${row.defaultValue}\``;
      return [`\`${row.name}\``, row.description, row.required ? '**required**' : byDefault];
    });
    return `## ${name}\n\n${table(head, cells)}\n`;
  });
  const platform = readPlatformVariables().map((one) => [
    `\`${one.name}\``,
    one.meaning,
    one.default,
  ]);
  return `# Configuration

${notice}

Every process is configured by environment variables, read once at its start; a change is a restart. A process told something wrong names all problems at once and exits with 78. \`npm start\` sets what connects the services; what you set for a service by its own variables reaches it unless it is such a connection.

## npm start and npm test

${table(head, platform)}

${sections.join('\n')}`;
}

/** docs/messages.md. */
export function renderMessages(
  messages: Readonly<Record<string, MessageDefinition>>,
  streams: Readonly<Record<string, { readonly retention: string; readonly ageSecondsMax: number }>>,
  examples: Readonly<Record<string, MessageExample>>,
): string {
  const rows = Object.entries(messages).map(([name, message]) => [
    `\`${message.subject}\``,
    name,
    message.from.join(', '),
    message.to.join(', '),
    message.stream ?? (message.reply === null ? 'not kept' : 'request and reply'),
    message.purpose,
  ]);
  const streamRows = Object.entries(streams).map(([name, stream]) => [
    name,
    stream.retention,
    `${stream.ageSecondsMax / 60} minutes`,
  ]);
  const shown = Object.keys(messages).map((name) => renderExample(name, examples[name]));
  return `# Messages

${notice}

Who may publish or subscribe is derived from this table; every message is an envelope \`{v, id, epoch, generation, lease, attempt, trace}\` and its body, checked against its schema in \`libs/contracts\` on both sides.

${table(['subject', 'name', 'from', 'to', 'stream', 'purpose'], rows)}

## Streams

All of them may be wiped at any time; Postgres is the truth.

${table(['stream', 'retention', 'kept at most'], streamRows)}

## Examples

A doorbell has nothing in it. Each example is held to its schema by a test.

${shown.join('\n')}`;
}

function renderExample(name: string, { body, reply }: MessageExample = { body: {} }): string {
  const json = (value: unknown) => `\`\`\`json\n${JSON.stringify(value, null, 2)}\n\`\`\`\n`;
  const answer = reply === undefined ? '' : `\nThe reply:\n\n${json(reply)}`;
  return `### ${name}\n\n${json(body)}${answer}`;
}

/** docs/faults.md. */
export function renderFaults(
  faults: Readonly<
    Record<string, { readonly status: number; readonly retry: string; readonly title: string }>
  >,
  meanings: Readonly<Record<string, string>>,
): string {
  const rows = Object.entries(faults).map(([code, { status, retry, title }]) => [
    `\`${code}\``,
    String(status),
    title,
    retry === 'later' ? 'later' : 'no',
    meanings[code] ?? '',
  ]);
  return `# Faults

${notice}

An operation that cannot complete ends with one of these. Over HTTP it is answered as \`{status, error, detail}\`: \`error\` is the title below, \`detail\` one sentence about this very case. What may succeed later comes with Retry-After; a consumer of messages tries exactly those again.

${table(['fault', 'status', 'error', 'try again', 'when, and what helps'], rows)}
`;
}
