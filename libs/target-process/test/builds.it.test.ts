import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdir, readdir, symlink } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type ExecutionId, newId, systemClock } from '@pilotfish/kernel';
import { runFromSources } from '@pilotfish/testing/real-process';
import { contractService, newRelease, pageApplication } from '@pilotfish/testing/target-contract';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { commitFiles, createHarness, type ProcessTargetHarness } from './harness.ts';

/**
 * A build that does all it can to outlive its end: ignores SIGTERM, and starts a process that is no
 * child any more, in a session of its own, with an empty environment and a working folder of `/`.
 */
function stubbornBuild(token: string): Record<string, string> {
  return {
    'package.json': JSON.stringify({
      name: 'stubborn',
      scripts: { build: `node build.js ${token}`, start: 'node server.js' },
    }),
    'build.js': `
process.on('SIGTERM', () => {});
const { spawn } = require('node:child_process');
const away = { detached: true, stdio: 'ignore' };
if (process.argv[3] === undefined) {
  spawn(process.execPath, [__filename, '${token}', 'middle'], away).unref();
  console.log('building');
} else if (process.argv[3] === 'middle') {
  spawn(process.execPath, [__filename, '${token}', 'marked'], away).unref();
  if (process.env.LEAVES_NO_TRACE) {
    spawn(process.execPath, [__filename, '${token}', 'unmarked'], { ...away, env: {}, cwd: '/' }).unref();
  }
  process.exit(0);
}
setInterval(() => {}, 1000);
`,
    'server.js': '',
  };
}

/** Processes of this machine with the text in their command line. */
function processesWith(text: string): number[] {
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => {
      if (!Number.isInteger(pid) || pid === process.pid) return false;
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(text);
      } catch {
        return false;
      }
    });
}

/** A PATH with all that builds need, without what makes namespaces. */
async function pathWithoutNamespaces(folder: string): Promise<string> {
  await mkdir(folder, { recursive: true });
  const seen = new Set(['unshare', 'setpriv']);
  for (const from of (process.env.PATH ?? '').split(delimiter)) {
    for (const name of existsSync(from) ? await readdir(from) : []) {
      if (seen.has(name)) continue;
      seen.add(name);
      await symlink(join(from, name), join(folder, name));
    }
  }
  return folder;
}

/** An engine in a process of its own, to be killed. */
function startEngine(
  words: readonly string[],
  environment: { readonly PATH?: string },
): ChildProcess {
  const script = fileURLToPath(new URL('./building-engine.ts', import.meta.url));
  return spawn(process.execPath, [...runFromSources(script), ...words], {
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'inherit', 'inherit'],
  });
}

interface Case {
  readonly name: string;
  readonly namespaces: boolean;
}

describe.each<Case>([
  { name: 'in a process namespace', namespaces: true },
  { name: 'held by group and marker alone', namespaces: false },
])('builds $name', ({ namespaces }) => {
  let harness: ProcessTargetHarness;
  let environment: { PATH?: string } = {};
  beforeAll(async () => {
    harness = await createHarness();
    if (namespaces) return;
    environment = { PATH: await pathWithoutNamespaces(join(harness.folder, 'path')) };
    harness = { ...harness, target: await harness.restarted(environment) };
  });
  afterAll(() => harness?.close());

  test('a canceled one is gone within two seconds, and nine others go on', async () => {
    const builds = await Promise.all(
      Array.from({ length: 10 }, async () => {
        const token = `token-${randomUUID()}`;
        const service = contractService(harness);
        const variables = namespaces ? { LEAVES_NO_TRACE: '1' } : {};
        const release = await service.release(stubbornBuild(token), { variables });
        const abort = new AbortController();
        const executionId = newId<ExecutionId>();
        const done = service.run('build', release, { signal: abort.signal, executionId });
        const ended = done.then(
          () => 'finished',
          (thrown: unknown) => thrown,
        );
        return { token, abort, ended, executionId };
      }),
    );
    const count = (build: { token: string }) => processesWith(build.token).length;
    // npm, its shell, the build and the process that went away (two where the other leaves no trace).
    const expected = namespaces ? 3 : 2;
    await expect
      .poll(() => builds.every((build) => count(build) > expected), { timeout: 30_000 })
      .toBe(true);
    const [first, ...others] = builds;
    if (first === undefined) throw new Error('no build');
    const startedMs = systemClock.monotonicMs();
    first.abort.abort(new Error('canceled'));
    expect(await first.ended).toEqual(new Error('canceled'));
    expect(count(first)).toBe(0);
    expect(systemClock.monotonicMs() - startedMs).toBeLessThan(2000);
    expect(others.every((build) => count(build) > expected)).toBe(true);
    for (const { abort } of others) abort.abort(new Error('canceled'));
    for (const { ended } of others) await ended;
    expect(builds.map(count)).toEqual(builds.map(() => 0));
    expect(await readdir(join(harness.dataDir, 'builds'))).toEqual([]);
    expect(await readdir(join(harness.dataDir, 'work'))).toEqual([]);
    expect(existsSync(join(harness.dataDir, 'artefacts'))).toBe(false);
  });

  test('of a killed engine are gone after the sweep of the next', async () => {
    const token = `token-${randomUUID()}`;
    const { repositoryUrl, commitSha } = await commitFiles(
      join(harness.folder, 'killed'),
      stubbornBuild(token),
    );
    const dataDir = join(harness.folder, 'killed-data');
    const engine = startEngine([dataDir, repositoryUrl, commitSha], environment);
    await expect.poll(() => processesWith(token).length, { timeout: 20_000 }).toBeGreaterThan(2);
    engine.kill('SIGKILL');
    await new Promise((resolve) => engine.once('exit', resolve));
    // A namespace ends with the engine; without one the builds outlive it until the sweep.
    if (namespaces) await expect.poll(() => processesWith(token)).toEqual([]);
    else expect(processesWith(token).length).toBeGreaterThan(1);
    expect(await readdir(join(dataDir, 'builds'))).toHaveLength(1);
    const target = await harness.restarted({}, dataDir);
    await target.sweep(new Set(), AbortSignal.timeout(10_000));
    expect(processesWith(token)).toEqual([]);
    expect(await readdir(join(dataDir, 'builds'))).toEqual([]);
    expect(await readdir(join(dataDir, 'work'))).toEqual([]);
  });

  test('what a finished one leaves running is ended with it', async () => {
    const token = `token-${randomUUID()}`;
    const service = contractService(harness);
    const files = stubbornBuild(token);
    const release = await service.release({
      ...files,
      'package.json': JSON.stringify({
        name: 'leaves',
        scripts: { build: 'node leave.js', start: 'node server.js' },
      }),
      'leave.js': `
const { spawn } = require('node:child_process');
spawn(process.execPath, ['build.js', '${token}', 'marked'], { detached: true, stdio: 'inherit' }).unref();
process.exit(0);
`,
    });
    expect(await service.run('build', release)).toEqual({ ok: true });
    expect(processesWith(token)).toEqual([]);
  });
});

describe('builds', () => {
  let harness: ProcessTargetHarness;
  beforeAll(async () => {
    harness = await createHarness({ buildOutputBytesMax: 4000, buildLineBytesMax: 100 });
  });
  afterAll(() => harness?.close());

  test('of the same commit at the same moment run once', async () => {
    const files = pageApplication('same');
    files['package.json'] = JSON.stringify({
      name: 'same',
      scripts: { build: 'node build.js', start: 'node server.js' },
    });
    files['build.js'] = 'setTimeout(() => {}, 300)';
    const source = await harness.commit(files);
    const services = [1, 2, 3].map(() => contractService(harness));
    const outcomes = services.map((service) => service.run('build', newRelease(source)));
    expect(await Promise.all(outcomes)).toEqual([{ ok: true }, { ok: true }, { ok: true }]);
    const built = services.flatMap((service) => service.lines).map((line) => line.text);
    expect(built.filter((text) => text.startsWith('$ npm run build'))).toHaveLength(1);
    expect(await readdir(join(harness.dataDir, 'artefacts'))).toHaveLength(1);
  });

  test('waiting for a canceled one of the same commit take it over', async () => {
    const source = await harness.commit({
      ...pageApplication('taken over'),
      'package.json': JSON.stringify({
        name: 'over',
        scripts: { build: 'node build.js', start: 'node server.js' },
      }),
      // Ends by itself only where an earlier run has been here: the first has to be canceled.
      'build.js': `
const marker = '${join(harness.folder, 'first-run')}';
if (require('node:fs').existsSync(marker)) process.exit(0);
require('node:fs').writeFileSync(marker, '');
console.log('hanging');
setInterval(() => {}, 1000);
`,
    });
    const [first, second] = [contractService(harness), contractService(harness)];
    const abort = new AbortController();
    const one = first.run('build', newRelease(source), { signal: abort.signal });
    one.catch(() => {});
    await expect
      .poll(() => first.lines.some((line) => line.text === 'hanging'), { timeout: 20_000 })
      .toBe(true);
    const two = second.run('build', newRelease(source));
    abort.abort(new Error('canceled'));
    await expect(one).rejects.toThrow('canceled');
    expect(await two).toEqual({ ok: true });
  });

  test('see no variable of the platform, and the service its own', async () => {
    const hidden = 'postgres://platform-secret';
    const target = await harness.restarted({ DATABASE_URL: hidden, npm_config_loglevel: 'silly' });
    const service = contractService(harness);
    const release = await service.release(
      {
        'package.json': JSON.stringify({
          name: 'env',
          scripts: { build: 'node build.js', start: 'node server.js' },
        }),
        'build.js': 'for (const name of Object.keys(process.env)) console.log("has " + name);',
        'server.js': '',
      },
      { variables: { VITE_COLOR: 'blue', QOVERY_ENVIRONMENT_ID: 'x' } },
    );
    await service.run('build', release, { target, secrets: { TOKEN: 'secret-value' } });
    const names = service.lines.map((line) => line.text).filter((text) => text.startsWith('has '));
    expect(names).toContain('has VITE_COLOR');
    expect(names).toContain('has PILOTFISH_BUILD');
    for (const name of ['DATABASE_URL', 'TOKEN', 'QOVERY_ENVIRONMENT_ID', 'VITEST']) {
      expect(names).not.toContain(`has ${name}`);
    }
  });

  test('that print without end are cut, and told how much', async () => {
    const service = contractService(harness);
    const release = await service.release({
      'package.json': JSON.stringify({
        name: 'loud',
        scripts: { build: 'node build.js', start: 'node server.js' },
      }),
      'build.js': `
console.log('x'.repeat(1000));
for (let i = 0; i < 10000; i += 1) console.log('line ' + i);
`,
      'server.js': '',
    });
    expect(await service.run('build', release)).toEqual({ ok: true });
    const texts = service.lines.filter((line) => line.step === 'BUILD').map((line) => line.text);
    expect(texts).toContain(`${'x'.repeat(100)}… (900 more bytes)`);
    expect(texts.length).toBeLessThan(400);
    expect(texts.some((text) => /^… \d+ more lines \(\d+ bytes\) are not kept$/.test(text))).toBe(
      true,
    );
  });

  test('whose package registry does not answer end soon, to be tried again by the engine', async () => {
    const target = await harness.restarted({ npm_config_registry: 'http://127.0.0.1:1' });
    const service = contractService(harness);
    const release = await service.release({
      'package.json': JSON.stringify({
        name: 'away',
        dependencies: { 'not-in-any-cache': '1.0.0' },
        scripts: { start: 'node server.js' },
      }),
    });
    const startedMs = systemClock.monotonicMs();
    const thrown = await service.run('build', release, { target }).catch((error) => error);
    expect(thrown).toMatchObject({ code: 'unavailable' });
    expect(thrown.detail).toMatch(/^The package registry does not answer: .*ECONNREFUSED/);
    // npm's own patience would be 70 seconds.
    expect(systemClock.monotonicMs() - startedMs).toBeLessThan(20_000);
  });

  test('that take too long are ended and say so', async () => {
    const service = contractService(harness);
    const token = `token-${randomUUID()}`;
    const release = await service.release(stubbornBuild(token), { buildSecondsMax: 3 });
    const outcome = await service.run('build', release);
    expect(processesWith(token)).toEqual([]);
    expect(outcome).toMatchObject({ ok: false, explanation: { cause: 'BUILD_TIMEOUT' } });
    if (outcome.ok) return;
    expect(outcome.explanation.summary).toContain('after 3 seconds, while `npm run build` ran');
    expect(outcome.explanation.lines).toContain('building');
    expect(outcome.explanation.suggestion).toContain('Raise the build time');
  });
});
