import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { BuildPlan, Detection } from './build-plan.ts';
import { detectPlan } from './detect-plan.ts';

interface Source {
  readonly files: Readonly<Record<string, string>>;
  readonly command?: readonly string[];
}

function detect({ files, command = [] }: Source): Detection {
  return detectPlan({
    names: new Set(Object.keys(files)),
    manifests: files,
    nodeVersions: ['26.10.0', '20.20.2'],
    command,
  });
}

function planOf(source: Source): BuildPlan {
  const detection = detect(source);
  if (!detection.found) throw new Error(detection.summary);
  return detection.plan;
}

const packageJson = (content: object) => JSON.stringify({ name: 'app', ...content });
const withDependency = { dependencies: { express: '5.0.0' } };
const lock = { 'package-lock.json': '{"lockfileVersion":3}' };

describe('a Node application', () => {
  test('is installed from its lockfile, built and started without npm around it', () => {
    const scripts = { build: 'tsc', start: 'node server.js' };
    const plan = planOf({
      files: { 'package.json': packageJson({ scripts, ...withDependency }), ...lock },
    });
    expect(plan).toMatchObject({
      kind: 'node',
      because: 'package.json and package-lock.json',
      node: '26.10.0',
      packageManager: 'npm',
      install: ['npm', 'ci', '--include=dev', '--no-audit', '--no-fund'],
      build: ['npm', 'run', 'build'],
      start: ['node', 'server.js'],
      staticFolders: null,
      dependenciesReusable: true,
      warnings: [],
    });
  });

  test('without dependencies is not installed', () => {
    const plan = planOf({
      files: { 'package.json': packageJson({ scripts: { start: 'node a' } }) },
    });
    expect(plan.install).toBeNull();
  });

  test('without a lockfile is installed with a warning', () => {
    const files = {
      'package.json': packageJson({ scripts: { start: 'node a' }, ...withDependency }),
    };
    const plan = planOf({ files });
    expect(plan.install?.slice(0, 2)).toEqual(['npm', 'install']);
    expect(plan.dependenciesReusable).toBe(false);
    expect(plan.warnings.join()).toContain('no lockfile');
  });

  test('whose start script needs a shell is started by its package manager', () => {
    for (const start of ['PORT=1 node a', 'node a && node b', 'node "$FILE"']) {
      const files = { 'package.json': packageJson({ scripts: { start } }) };
      expect(planOf({ files }).start).toEqual(['npm', 'run', 'start']);
    }
  });

  test('of a package is started by the program that the package brings', () => {
    const files = { 'package.json': packageJson({ scripts: { start: 'next start -p $PORT' } }) };
    expect(planOf({ files }).start).toEqual(['next', 'start', '-p', '$PORT']);
  });

  test('needs its package manager while it runs only where its script says so', () => {
    const start = (script: string) =>
      planOf({
        files: {
          'package.json': packageJson({ scripts: { start: script } }),
          'pnpm-lock.yaml': "lockfileVersion: '9.0'",
        },
      }).start;
    expect(start('a && b')).toEqual(['npm', 'run', 'start']);
    expect(start('pnpm serve')?.slice(-3)).toEqual(['pnpm', 'run', 'start']);
  });

  test('with a script around its start is started by its package manager', () => {
    const scripts = { start: 'node a.js', prestart: 'node migrate.js' };
    const files = { 'package.json': packageJson({ scripts }) };
    expect(planOf({ files }).start).toEqual(['npm', 'run', 'start']);
  });

  test('without a start script is started by its main file', () => {
    expect(
      planOf({ files: { 'package.json': packageJson({ main: './app/main.js' }), 'server.js': '' } })
        .start,
    ).toEqual(['node', 'server.js']);
    const files = { 'package.json': packageJson({ main: './main.js' }), 'main.js': '' };
    expect(planOf({ files }).start).toEqual(['node', 'main.js']);
  });

  test('that only builds is a site', () => {
    const files = {
      'package.json': packageJson({ scripts: { build: 'vite build' } }),
      'index.html': '',
    };
    const plan = planOf({ files });
    expect(plan.start).toBeNull();
    expect(plan.staticFolders?.[0]).toBe('dist');
  });

  test('whose own scripts or folders shape its dependencies installs them every time', () => {
    const scripts = { start: 'node a', postinstall: 'patch-package' };
    const files = { 'package.json': packageJson({ scripts, ...withDependency }), ...lock };
    expect(planOf({ files }).dependenciesReusable).toBe(false);
    const local = { scripts: { start: 'node a' }, dependencies: { shared: 'file:../shared' } };
    expect(
      planOf({ files: { 'package.json': packageJson(local), ...lock } }).dependenciesReusable,
    ).toBe(false);
  });

  test('gets the Node it asks for, or the nearest newer one with a warning', () => {
    const node = (range: string) =>
      planOf({
        files: {
          'package.json': packageJson({ scripts: { start: 'node a' }, engines: { node: range } }),
        },
      });
    expect(node('20.x').node).toBe('20.20.2');
    expect(node('>=18').node).toBe('26.10.0');
    expect(node('22.x')).toMatchObject({ node: '26.10.0' });
    expect(node('22.x').warnings.join()).toContain('22.x');
    expect(node('18').node).toBe('20.20.2');
    expect(node('lts/*').node).toBe('26.10.0');
  });

  test('reads .nvmrc where engines say nothing', () => {
    const files = {
      'package.json': packageJson({ scripts: { start: 'node a' } }),
      '.nvmrc': 'v20\n',
    };
    expect(planOf({ files }).node).toBe('20.20.2');
  });

  test('with a package.json that is no JSON is told so', () => {
    const detection = detect({ files: { 'package.json': '{"name":"a",}' } });
    expect(detection.found).toBe(false);
    if (!detection.found) expect(detection.summary).toContain('cannot be read');
  });

  test('that nobody can start is told how to say it', () => {
    const detection = detect({ files: { 'package.json': packageJson({}) } });
    expect(detection.found).toBe(false);
    if (!detection.found) expect(detection.suggestion).toContain('"start"');
  });
});

describe('the package manager', () => {
  const start = { scripts: { start: 'node a' } };
  const plan = (files: Record<string, string>, content: object = {}) =>
    planOf({
      files: { 'package.json': packageJson({ ...start, ...withDependency, ...content }), ...files },
    });

  test('is the one of the lockfile, in the version that wrote it', () => {
    expect(plan({ 'pnpm-lock.yaml': "lockfileVersion: '9.0'\n" }).install).toContain(
      '--package=pnpm@10',
    );
    expect(plan({ 'pnpm-lock.yaml': 'lockfileVersion: 5.4\n' }).install).toContain(
      '--package=pnpm@7',
    );
    expect(plan({ 'yarn.lock': '# yarn lockfile v1\n' }).install).toContain('--package=yarn@1');
    const berry = plan({ 'yarn.lock': '__metadata:\n  version: 8\n' });
    expect(berry.install).toContain('--package=@yarnpkg/cli-dist@4');
    expect(berry.environment.YARN_NODE_LINKER).toBe('node-modules');
  });

  test('has the version of the packageManager field', () => {
    const files = { 'pnpm-lock.yaml': "lockfileVersion: '9.0'\n" };
    const field = { packageManager: 'pnpm@9.15.2+sha512.abc' };
    expect(plan(files, field).install).toContain('--package=pnpm@9.15.2');
  });

  test('of several lockfiles is the one that packageManager names', () => {
    const files = { ...lock, 'yarn.lock': '# yarn lockfile v1\n' };
    expect(plan(files).packageManager).toBe('npm');
    expect(plan(files, { packageManager: 'yarn@1.22.22' }).packageManager).toBe('yarn');
  });

  test('never installs other versions than the lockfile has', () => {
    expect(plan(lock).install).toContain('ci');
    expect(plan({ 'pnpm-lock.yaml': '' }).install).toContain('--frozen-lockfile');
    expect(plan({ 'yarn.lock': '' }).install).toContain('--frozen-lockfile');
    expect(plan({ 'yarn.lock': '__metadata:' }).install).toContain('--immutable');
  });
});

describe('other sources', () => {
  test('a Procfile starts its web process, directly where no shell is needed', () => {
    expect(
      planOf({ files: { Procfile: 'web: ./serve --port $PORT\nworker: ./work\n' } }),
    ).toMatchObject({
      kind: 'procfile',
      start: ['./serve', '--port', '$PORT'],
      node: null,
    });
    expect(planOf({ files: { Procfile: 'web: ./migrate && ./serve\n' } }).start).toEqual([
      'sh',
      '-c',
      './migrate && ./serve',
    ]);
  });

  test('a Procfile beside a package.json only starts', () => {
    const files = {
      'package.json': packageJson({ scripts: { build: 'tsc', start: 'node a' } }),
      Procfile: 'web: node b.js',
    };
    expect(planOf({ files })).toMatchObject({ kind: 'node', start: ['node', 'b.js'] });
  });

  test('a Procfile without a web process is told so', () => {
    const detection = detect({ files: { Procfile: 'worker: ./work' } });
    expect(detection.found).toBe(false);
  });

  test('a page is served', () => {
    expect(planOf({ files: { 'index.html': '' } })).toMatchObject({
      kind: 'static',
      start: null,
      staticFolders: ['.'],
    });
  });

  test('the command of the service beats everything', () => {
    const files = {
      'package.json': packageJson({ scripts: { start: 'node a' } }),
      Procfile: 'web: x',
    };
    expect(planOf({ files, command: ['node', 'c.js'] }).start).toEqual(['node', 'c.js']);
    expect(planOf({ files: { 'run.py': '' }, command: ['python3', 'run.py'] }).start?.[0]).toBe(
      'python3',
    );
  });

  test('what nobody can run is refused by naming what is there', () => {
    const detection = detect({ files: { 'notes.txt': '', Makefile: '' } });
    expect(detection.found).toBe(false);
    if (!detection.found) expect(detection.summary).toContain('Makefile, notes.txt');
  });
});

test('every source is either refused with a suggestion or has exactly one way to start', () => {
  const text = fc.oneof(fc.constant(''), fc.string(), fc.json());
  const names = fc.constantFrom(
    'package.json',
    'Procfile',
    'index.html',
    'server.js',
    'yarn.lock',
    '.nvmrc',
  );
  const files = fc.dictionary(names, text);
  const scripts = fc.dictionary(fc.constantFrom('build', 'start', 'postinstall'), fc.string());
  const withPackage = fc.tuple(files, scripts).map(([others, own]) => ({
    ...others,
    'package.json': packageJson({ scripts: own }),
  }));
  fc.assert(
    fc.property(
      fc.oneof(files, withPackage),
      fc.array(fc.string({ minLength: 1 })),
      (given, command) => {
        const detection = detect({ files: given, command });
        if (!detection.found) return detection.suggestion !== '' && detection.summary !== '';
        const { start, staticFolders } = detection.plan;
        return (start === null) !== (staticFolders === null) && start?.length !== 0;
      },
    ),
  );
});
