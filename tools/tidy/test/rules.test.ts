/** Each rule is proven red once on a bad sample, so that a silent repository means a tidy one. */
import { messages } from '@pilotfish/contracts';
import { describe, expect, test } from 'vitest';
import { findBannedUses } from '../src/banned.ts';
import { findDeadExports } from '../src/dead-exports.ts';
import { findEscapingImports } from '../src/imports.ts';
import { findLayerViolations } from '../src/layer-edges.ts';
import { findWrongExamples, messageExamples } from '../src/message-examples.ts';
import { findSilentParties } from '../src/message-parties.ts';
import { findReadmeViolations } from '../src/readmes.ts';
import { findForgottenPackages, findReferenceViolations } from '../src/references.ts';
import { findSizeViolations } from '../src/sizes.ts';
import type { WorkspacePackage } from '../src/workspace.ts';

function samplePackage(folder: string, fields: Partial<WorkspacePackage> = {}): WorkspacePackage {
  const name = `@sample/${folder.split('/')[1]}`;
  const empty = { dependencies: [], devDependencies: [], references: [] };
  return { name, folder, layer: undefined, ...empty, ...fields };
}

describe('layer edges', () => {
  const store = samplePackage('libs/store', { layer: 'adapter' });
  const kernel = samplePackage('libs/kernel', { layer: 'kernel' });
  const api = samplePackage('apps/api', { layer: 'app' });
  const testing = samplePackage('libs/testing', { layer: 'testing' });
  const all = [store, kernel, api, testing];

  test('an adapter must not import an adapter', () => {
    const bus = samplePackage('libs/bus', { layer: 'adapter', dependencies: [store.name] });
    expect(findLayerViolations([bus, ...all])).toEqual([
      'libs/bus (adapter) must not have libs/store (adapter) as a dependency',
    ]);
  });

  test('no layer imports one above it', () => {
    const rising = { ...kernel, dependencies: [store.name] };
    expect(findLayerViolations([rising, store])).toHaveLength(1);
  });

  test('apps do not import each other, not even in tests', () => {
    const edge = samplePackage('apps/edge', { layer: 'app', devDependencies: [api.name] });
    expect(findLayerViolations([edge, ...all])).toHaveLength(1);
  });

  test('the test kit is for devDependencies', () => {
    const good = samplePackage('libs/a', { layer: 'adapter', devDependencies: [testing.name] });
    const bad = samplePackage('libs/b', { layer: 'adapter', dependencies: [testing.name] });
    expect(findLayerViolations([good, bad, ...all])).toEqual([
      'libs/b (adapter) must not have libs/testing (testing) as a dependency',
    ]);
  });

  test('a package without a layer is found', () => {
    expect(findLayerViolations([samplePackage('libs/new')])[0]).toContain('libs/new/package.json');
  });
});

describe('references', () => {
  const kernel = samplePackage('libs/kernel');
  const store = samplePackage('libs/store');

  test('a dependency without reference and a reference without dependency are found', () => {
    const git = samplePackage('libs/git', {
      dependencies: [kernel.name, 'zod'],
      references: ['libs/store'],
    });
    expect(findReferenceViolations([kernel, store, git])).toEqual([
      'libs/git/tsconfig.json: add the reference to libs/kernel',
      'libs/git/tsconfig.json: libs/store is no dependency in package.json',
    ]);
  });

  test('a package that the root does not build is found', () => {
    expect(findForgottenPackages('tsconfig.json', ['libs/kernel'], [kernel, store])).toEqual([
      'tsconfig.json: add the reference to libs/store',
    ]);
  });
});

describe('sizes', () => {
  const line = 'export const a = 1;\n';

  test('a file of 351 lines is too long, one of 350 is not', () => {
    expect(findSizeViolations({ path: 'libs/a/src/a.ts', text: line.repeat(350) })).toEqual([]);
    expect(findSizeViolations({ path: 'libs/a/src/a.ts', text: line.repeat(351) })).toEqual([
      'libs/a/src/a.ts: 351 lines, split it (350 at most)',
    ]);
  });

  test.each([
    ['function long() {\n', '}', 'long'],
    ['const short = () => {\n', '}', 'a function'],
    ['class A { method() {\n', '} }', 'a function'],
  ])('a function of 71 lines is too long: %s', (head, tail, name) => {
    const body = (lines: number) => head + 'work();\n'.repeat(lines - 2) + tail;
    expect(findSizeViolations({ path: 'a.ts', text: body(70) })).toEqual([]);
    expect(findSizeViolations({ path: 'a.ts', text: body(71) })).toEqual([
      `a.ts:1: ${name} has 71 lines, split it (70 at most)`,
    ]);
  });

  test('tests may be long', () => {
    expect(findSizeViolations({ path: 'a.test.ts', text: line.repeat(999) })).toEqual([]);
  });
});

describe('banned outside their home', () => {
  const here = 'libs/a/src/a.ts';

  test.each([
    ['Date.now', 'const now = Date.now();'],
    ['Date.now', 'const now = new Date();'],
    ['Date.now', 'const now = Temporal.Now.instant();'],
    ['Math.random', 'const n = Math.random();'],
    ['setTimeout', 'setTimeout(work, 10);'],
    ['setTimeout', 'globalThis.setTimeout(work, 10);'],
    ['setTimeout', "import { setTimeout as wait } from 'node:timers/promises';"],
    ['process.env', 'const { HOME } = process.env;'],
    ['console.', "console.warn('x');"],
    ['as any', 'const a = b as any;'],
    ['exec with a shell', "import { exec } from 'node:child_process';"],
    ['exec with a shell', "import * as processes from 'node:child_process';"],
    ['shell: true', 'spawn(program, [], { shell: true });'],
    ['shell: true', "spawn(program, [], { shell: '/bin/sh' });"],
    ['export default', 'export default 1;'],
    ['export *', "export * from './b.ts';"],
    ['enum', 'enum Color { Red }'],
  ])('%s is found in: %s', (what, text) => {
    const found = findBannedUses({ path: here, text });
    expect(found).toHaveLength(1);
    expect(found[0]).toContain(`${here}:1: ${what}: `);
  });

  test.each([
    ['libs/kernel/src/clock.ts', 'setTimeout(resolve, Date.now());'],
    ['apps/edge/src/main.ts', 'const config = load(process.env);'],
    ['tools/bootstrap/start.mjs', 'console.log(process.env);'],
    ['libs/a/src/a.test.ts', 'const { env } = process.env;'],
    ['vitest.config.ts', 'export default defineConfig({});'],
  ])('in its home it is fine: %s', (path, text) => {
    expect(findBannedUses({ path, text })).toEqual([]);
  });

  test.each([
    'const match = /a/.exec(text);',
    'const at = new Date(milliseconds);',
    'spawn(program, [], { shell: false });',
    "import { execFile, spawn } from 'node:child_process';",
    'socket.setTimeout(10);',
    "const text = 'console.log';",
    '// process.env is read in main.ts',
    'const a = b as unknown;',
  ])('what only looks like it is fine: %s', (text) => {
    expect(findBannedUses({ path: here, text })).toEqual([]);
  });
});

describe('imports', () => {
  test('a relative import that leaves its package is found', () => {
    const text = "import { a } from '../../b/src/a.ts';\nexport { c } from '../c.ts';";
    expect(findEscapingImports({ path: 'libs/a/src/a.ts', text })).toEqual([
      'libs/a/src/a.ts:1: ../../b/src/a.ts leaves libs/a/; name a package',
    ]);
  });
});

describe('READMEs of services', () => {
  test('a missing file, a missing section and an unexplained variable are found', () => {
    expect(findReadmeViolations('apps/a', undefined, undefined)).toEqual([
      'apps/a/README.md is missing',
    ]);
    const readme = '# a\n## Overview\n## Configuration\n`DATABASE_URL`: where Postgres is\n';
    const config = 'z.object({\n  DATABASE_URL: z.url(),\n  NATS_URL: z.url(),\n})';
    expect(findReadmeViolations('apps/a', readme, config)).toEqual([
      'apps/a/README.md: add the section "operations"',
      'apps/a/README.md: say what NATS_URL configures',
    ]);
    expect(findReadmeViolations('apps/a', readme, config, '`NATS_URL`: where NATS is')).toEqual([
      'apps/a/README.md: add the section "operations"',
    ]);
  });
});

describe('messages', () => {
  test('an end of a message that never uses it is found', () => {
    const messages = [{ name: 'hello', from: ['engine'], to: ['core-api'] }];
    const files = [{ path: 'apps/engine/src/a.ts', text: 'bus.publish(messages.hello)' }];
    expect(findSilentParties(messages, files)).toEqual([
      'apps/core-api is an end of messages.hello but never uses it',
    ]);
  });
});

describe('dead exports', () => {
  test('a finding of knip becomes a sentence', () => {
    const issue = { file: 'libs/a/src/a.ts', exports: [{ name: 'unused', line: 3 }], files: [] };
    expect(findDeadExports(JSON.stringify({ issues: [issue] }), '')).toEqual([
      'libs/a/src/a.ts:3: unused is exported but used nowhere else',
    ]);
  });

  test('a knip that did not run is a failure and not a clean report', () => {
    expect(() => findDeadExports('', 'cannot find config')).toThrow('cannot find config');
  });
});

test('a message without an example, or with a wrong one, is told', () => {
  const { confirmed, hello } = messages;
  expect(findWrongExamples({ confirmed }, {})).toEqual(['messages.confirmed has no example']);
  const wrong = { confirmed: { body: { confirmed: [{}] } }, hello: { ...messageExamples.hello } };
  expect(findWrongExamples({ confirmed }, wrong)).toHaveLength(1);
  expect(findWrongExamples({ hello }, { hello: { body: wrong.hello.body } })).toEqual([
    'the example of the reply to messages.hello is not what its schema accepts',
  ]);
});
