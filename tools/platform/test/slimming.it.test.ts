import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Script } from 'node:vm';
import { build } from 'esbuild';
import { afterAll, expect, test } from 'vitest';
import { ensureBundles } from '../src/bundle/build.ts';
import { buildsFolder } from '../src/bundle/manifest.ts';
import { escapeBeyondAscii, importOnlyUsedZod, requireHttp } from '../src/bundle/slimming.ts';

const run = promisify(execFile);
const folder = mkdtempSync(join(tmpdir(), 'pilotfish-slimming-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function bundle(source: string, plugins: Parameters<typeof build>[0]['plugins'] = []) {
  const outfile = join(folder, 'out.mjs');
  await build({
    stdin: { contents: source, resolveDir: import.meta.dirname, loader: 'ts' },
    bundle: true,
    platform: 'node',
    format: 'esm',
    banner: {
      js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);",
    },
    plugins,
    outfile,
  });
  return outfile;
}

test('a server over node:http does not load what fetch needs', async () => {
  const source = [
    "import http, { createServer, STATUS_CODES } from 'node:http';",
    "if (http.createServer !== createServer) throw new Error('two modules');",
    "const loaded = process.moduleLoadList.some((name) => name.endsWith('undici/undici'));",
    'console.log(STATUS_CODES[404], loaded);',
  ].join('\n');
  const plain = await run(process.execPath, [await bundle(source)]);
  expect(plain.stdout).toBe('Not Found true\n');
  const slim = await run(process.execPath, [await bundle(source, [requireHttp])]);
  expect(slim.stdout).toBe('Not Found false\n');
});

test('of zod only what is used is bundled', async () => {
  const source = "import { z } from 'zod';\nconsole.log(z.string().safeParse(1).success);";
  const whole = statSync(await bundle(source)).size;
  const slim = await bundle(importOnlyUsedZod(source));
  expect(statSync(slim).size).toBeLessThan(whole / 2);
  expect((await run(process.execPath, [slim])).stdout).toBe('false\n');
});

test('what is escaped means the same', () => {
  const source = "[/[✘×]/u.exec('a×'), /😀/u.test('😀'), `ü`, '😀'.length]";
  const escaped = escapeBeyondAscii(source);
  expect(escaped).toMatch(/^[\0-\x7f]*$/);
  const evaluate = (text: string) => new Script(text).runInThisContext() as unknown;
  expect(evaluate(escaped)).toEqual(evaluate(source));
});

test('no bundle holds a character beyond ASCII', async () => {
  const root = join(import.meta.dirname, '../../..');
  const { id, hashes } = await ensureBundles(root);
  for (const target of Object.keys(hashes)) {
    const text = readFileSync(join(buildsFolder(root), id, `${target}.mjs`), 'utf8');
    expect(/[^\0-\x7f]/.exec(text)?.[0], target).toBeUndefined();
  }
});
