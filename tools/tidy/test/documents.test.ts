import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { messages, streams } from '@pilotfish/contracts';
import { faultTable } from '@pilotfish/kernel';
import { expect, test } from 'vitest';
import { faultMeanings } from '../src/fault-meanings.ts';
import { renderConfiguration, renderFaults, renderMessages } from '../src/generated-docs.ts';
import { messageExamples } from '../src/message-examples.ts';
import { readConfigurations } from '../src/read-configurations.ts';
import { renderOpenApi } from '../src/read-openapi.ts';

const root = join(import.meta.dirname, '../../..');
const hint = 'the code has changed: npm run docs';

test('docs/configuration.md tells every variable of every service', async () => {
  const written = readFileSync(join(root, 'docs/configuration.md'), 'utf8');
  expect(written, hint).toBe(renderConfiguration(await readConfigurations(root)));
});

test('docs/faults.md tells every fault, and when it occurs', () => {
  const written = readFileSync(join(root, 'docs/faults.md'), 'utf8');
  expect(written, hint).toBe(renderFaults(faultTable, faultMeanings));
  expect(Object.keys(faultMeanings).sort()).toEqual(Object.keys(faultTable).sort());
});

test('docs/messages.md tells every message', () => {
  const written = readFileSync(join(root, 'docs/messages.md'), 'utf8');
  expect(written, hint).toBe(renderMessages(messages, streams, messageExamples));
});

test('docs/openapi.json is what core-api serves', async () => {
  const written = readFileSync(join(root, 'docs/openapi.json'), 'utf8');
  // Not toEqual: a diff of 10,000 lines helps nobody.
  expect(written === (await renderOpenApi(root)), hint).toBe(true);
});

test('a variable with a bar in its description stays in its column', () => {
  const row = { name: 'A', description: 'one | two', required: true, defaultValue: '' };
  expect(renderConfiguration({ app: [row] })).toContain('| `A` | one \\| two | **required** |');
});
