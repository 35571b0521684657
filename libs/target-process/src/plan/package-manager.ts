import type { PackageJson } from './package-json.ts';

export interface PackageManagerChoice {
  readonly name: 'npm' | 'yarn' | 'pnpm';
  /** Put before its commands; `npm exec` brings the managers that the machine does not have. */
  readonly runner: readonly string[];
  readonly install: readonly string[];
  readonly lockfile: string | undefined;
  readonly environment: Readonly<Record<string, string>>;
  readonly warning: string | undefined;
}

type Manifests = Readonly<Record<string, string>>;

/**
 * The package manager by its lockfile; where several lie there, the one that the `packageManager`
 * field names, else npm's, pnpm's, yarn's in this order.
 */
export function choosePackageManager(
  content: PackageJson,
  manifests: Manifests,
): PackageManagerChoice {
  const field = /^(npm|pnpm|yarn)@([0-9][\w.-]*)/.exec(content.packageManager ?? '');
  const named = field?.[1] as 'npm' | 'pnpm' | 'yarn' | undefined;
  const version = field?.[2];
  const npmLock =
    manifests['npm-shrinkwrap.json'] !== undefined ? 'npm-shrinkwrap.json' : 'package-lock.json';
  const locks = { npm: npmLock, pnpm: 'pnpm-lock.yaml', yarn: 'yarn.lock' } as const;
  const present = (['npm', 'pnpm', 'yarn'] as const).filter(
    (name) => manifests[locks[name]] !== undefined,
  );
  const name = present.find((each) => each === named) ?? present[0] ?? named ?? 'npm';
  const lockfile = present.includes(name) ? locks[name] : undefined;
  const ofName = name === named ? version : undefined;
  switch (name) {
    case 'pnpm':
      return pnpm(ofName, lockfile, manifests);
    case 'yarn':
      return yarn(ofName, lockfile, manifests);
    case 'npm':
      return npm(lockfile);
  }
}

function noLockfile(lockfile: string | undefined): string | undefined {
  if (lockfile !== undefined) return undefined;
  return 'There is no lockfile: versions of dependencies may differ from build to build. Commit one.';
}

function npm(lockfile: string | undefined): PackageManagerChoice {
  const quiet = ['--include=dev', '--no-audit', '--no-fund'];
  return {
    name: 'npm',
    runner: ['npm'],
    install: lockfile === undefined ? ['npm', 'install', ...quiet] : ['npm', 'ci', ...quiet],
    lockfile,
    environment: {},
    warning: noLockfile(lockfile),
  };
}

function viaNpm(spec: string, bin: string): string[] {
  return ['npm', 'exec', '--yes', `--package=${spec}`, '--', bin];
}

/** By the format of the lockfile: each major of pnpm writes its own. */
function pnpmMajor(lock: string | undefined): string {
  const format = /^lockfileVersion:\s*'?(\d+)/m.exec(lock?.slice(0, 500) ?? '')?.[1];
  if (format === '5') return '7';
  if (format === '6') return '8';
  return '10';
}

function pnpm(
  version: string | undefined,
  lockfile: string | undefined,
  manifests: Manifests,
): PackageManagerChoice {
  const runner = viaNpm(`pnpm@${version ?? pnpmMajor(manifests['pnpm-lock.yaml'])}`, 'pnpm');
  const frozen = lockfile === undefined ? '--no-frozen-lockfile' : '--frozen-lockfile';
  return {
    name: 'pnpm',
    runner,
    install: [...runner, 'install', frozen, '--prod=false'],
    lockfile,
    environment: {},
    warning: noLockfile(lockfile),
  };
}

function yarn(
  version: string | undefined,
  lockfile: string | undefined,
  manifests: Manifests,
): PackageManagerChoice {
  const modern =
    version === undefined
      ? manifests['yarn.lock']?.includes('__metadata:') === true ||
        manifests['.yarnrc.yml'] !== undefined
      : !version.startsWith('1.');
  const runner = modern
    ? viaNpm(`@yarnpkg/cli-dist@${version ?? '4'}`, 'yarn')
    : viaNpm(`yarn@${version ?? '1'}`, 'yarn');
  const install = modern
    ? ['install', ...(lockfile === undefined ? [] : ['--immutable'])]
    : [
        'install',
        '--non-interactive',
        '--production=false',
        ...(lockfile === undefined ? [] : ['--frozen-lockfile']),
      ];
  return {
    name: 'yarn',
    runner,
    install: [...runner, ...install],
    lockfile,
    // Plug'n'Play would need yarn around the running application as well.
    environment: modern
      ? {
          YARN_NODE_LINKER: 'node-modules',
          YARN_ENABLE_TELEMETRY: '0',
          YARN_ENABLE_GLOBAL_CACHE: 'true',
        }
      : {},
    warning: noLockfile(lockfile),
  };
}
