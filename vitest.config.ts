/**
 * Projects, cheapest first: `unit`, `tidy`, `integration` (real servers), `system` (all services as
 * processes), and `system-alone`, the system tests that measure: files named `*.alone.system.test.ts`
 * have the machine for themselves. Run one with `npx vitest run --project unit [path]`, system tests
 * of both kinds with `npm run system [path]`.
 *
 * Packages are imported from their sources by the export condition `@pilotfish/source`, so no build
 * is needed before a test.
 */
import { randomInt } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { defineConfig, type TestProjectConfiguration } from 'vitest/config';

// One number drives both the order of tests and fast-check, so that printing it makes every
// failure repeatable.
process.env.PILOTFISH_SEED ??= String(randomInt(2 ** 31));
const seed = Number(process.env.PILOTFISH_SEED);

// What Node makes of each file is kept beside the installed packages: every test file has a process of
// its own, which would begin with compiling the same libraries.
process.env.NODE_COMPILE_CACHE ??= fileURLToPath(
  new URL('node_modules/.cache/pilotfish-compiled', import.meta.url),
);

const neverTests = ['**/node_modules/**', '**/dist/**', '**/.pilotfish/**', '**/fixtures/**'];

// Not `import`: Vitest hands these to Node, which would then give ES modules to `require`.
const conditions = ['@pilotfish/source', 'node'];

const systemTests = 'tools/*/**/*.system.test.ts';
const measuringTests = 'tools/*/**/*.alone.system.test.ts';

interface ProjectLimits {
  /** Runs once before the project's first test. */
  readonly globalSetup?: string;
  readonly testTimeoutMs: number;
  readonly hookTimeoutMs: number;
  /** Files at a time; two are for two cores. */
  readonly workers: number;
  /** Projects of one number run at the same time, and need as many workers as each other. */
  readonly order: number;
}

function project(
  name: string,
  files: { readonly include: readonly string[]; readonly exclude?: readonly string[] },
  limits: ProjectLimits,
): TestProjectConfiguration {
  return {
    extends: true,
    resolve: { conditions },
    ssr: { resolve: { conditions } },
    // Where global setups run.
    environments: { __vitest__: { resolve: { conditions } } },
    test: {
      name,
      include: [...files.include],
      exclude: [...neverTests, ...(files.exclude ?? [])],
      testTimeout: limits.testTimeoutMs,
      hookTimeout: limits.hookTimeoutMs,
      maxWorkers: limits.workers,
      sequence: { groupOrder: limits.order },
      ...(limits.globalSetup === undefined ? {} : { globalSetup: [limits.globalSetup] }),
    },
  };
}

const quick = { testTimeoutMs: 15_000, hookTimeoutMs: 30_000, workers: 2, order: 0 };
// A first run may have to download the servers: hooks get minutes, tests do not.
const withServers = {
  testTimeoutMs: 60_000,
  hookTimeoutMs: 300_000,
  workers: 2,
  order: 1,
  globalSetup: './libs/testing/src/postgres-global-setup.ts',
};
// Each file has homes with processes and ports of their own.
const wholePlatform = { testTimeoutMs: 180_000, hookTimeoutMs: 600_000, workers: 2, order: 2 };
const alone = { workers: 1, order: 3 };

export default defineConfig({
  test: {
    passWithNoTests: true,
    setupFiles: ['./vitest.setup.ts'],
    globalSetup: ['./vitest.global-setup.ts'],
    sequence: { seed },
    teardownTimeout: 30_000,
    projects: [
      project(
        'unit',
        {
          include: ['{apps,libs,tools}/*/src/**/*.test.ts', 'tools/bootstrap/*.test.ts'],
          exclude: ['tools/tidy/**', '**/*.system.test.ts'],
        },
        quick,
      ),
      project('tidy', { include: ['tools/tidy/**/*.test.ts'] }, quick),
      project(
        'integration',
        { include: ['{apps,libs,tools}/*/test/**/*.it.test.ts'] },
        withServers,
      ),
      project('system', { include: [systemTests], exclude: [measuringTests] }, wholePlatform),
      project('system-alone', { include: [measuringTests] }, { ...wholePlatform, ...alone }),
    ],
  },
});
