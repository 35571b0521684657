/** The house rules, held over the whole repository. A failure lists what to change, and where. */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { messages } from '@pilotfish/contracts';
import { expect, test } from 'vitest';
import { findBannedUses } from '../src/banned.ts';
import { findDeadExports } from '../src/dead-exports.ts';
import { findEscapingImports } from '../src/imports.ts';
import { findLayerViolations } from '../src/layer-edges.ts';
import { findWrongExamples, messageExamples } from '../src/message-examples.ts';
import { findSilentParties } from '../src/message-parties.ts';
import { findReadmeViolations } from '../src/readmes.ts';
import { findForgottenPackages, findReferenceViolations } from '../src/references.ts';
import { findSizeViolations } from '../src/sizes.ts';
import { readPackages, readReferences, readSourceFiles } from '../src/workspace.ts';

const root = join(import.meta.dirname, '../../..');
const packages = readPackages(root);
const files = readSourceFiles(root);

function readIfPresent(path: string): string | undefined {
  return existsSync(join(root, path)) ? readFileSync(join(root, path), 'utf8') : undefined;
}

test('dependencies point down the layers', () => {
  expect(findLayerViolations(packages)).toEqual([]);
});

test('tsconfig references are the dependencies of package.json', () => {
  expect(findReferenceViolations(packages)).toEqual([]);
});

test.each(['tsconfig.json', 'tsconfig.tests.json'])('%s knows every package', (file) => {
  expect(findForgottenPackages(file, readReferences(root, file), packages)).toEqual([]);
});

test('files have at most 350 lines, functions at most 70', () => {
  expect(files.flatMap(findSizeViolations)).toEqual([]);
});

test('clocks, chance, environment, console and shells stay in their homes', () => {
  expect(files.flatMap(findBannedUses)).toEqual([]);
});

test('no relative import leaves its package', () => {
  expect(files.flatMap(findEscapingImports)).toEqual([]);
});

test('every service has a README with overview, configuration and operations', () => {
  const violations = packages
    .filter(({ layer }) => layer === 'app')
    .flatMap(({ folder }) =>
      findReadmeViolations(
        folder,
        readIfPresent(`${folder}/README.md`),
        readIfPresent(`${folder}/src/config.ts`),
        readIfPresent('docs/configuration.md'),
      ),
    );
  expect(violations).toEqual([]);
});

test('every message is used at each of its ends', () => {
  const ends = Object.entries(messages).map(([name, { from, to }]) => ({ name, from, to }));
  expect(findSilentParties(ends, files)).toEqual([]);
});

test('every message has an example that its schema accepts', () => {
  expect(findWrongExamples(messages, messageExamples)).toEqual([]);
});

test('nothing is exported that nobody uses', () => {
  const knip = spawnSync(
    process.execPath,
    [join(root, 'node_modules/knip/bin/knip.js'), '--reporter', 'json', '--no-progress'],
    { cwd: root, encoding: 'utf8', timeout: 120_000 },
  );
  expect(findDeadExports(knip.stdout, knip.stderr)).toEqual([]);
}, 120_000);
