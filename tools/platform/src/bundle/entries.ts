import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

export interface BundleEntry {
  /** Relative to the repository. */
  readonly source: string;
  /** Relative to the folder of a build, without extension. */
  readonly target: string;
}

function listWorkers(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('-worker.ts'))
    .sort();
}

/**
 * Every program of its own: each app, the runner, and each worker thread (`*-worker.ts`) of an app,
 * which is loaded by a URL and so cannot be part of the bundle that starts it.
 */
export function listEntries(root: string): BundleEntry[] {
  const apps = readdirSync(join(root, 'apps')).filter((app) =>
    existsSync(join(root, 'apps', app, 'src/main.ts')),
  );
  const ofApps = apps.sort().flatMap((app) => [
    { source: `apps/${app}/src/main.ts`, target: `${app}/main` },
    ...listWorkers(join(root, 'apps', app, 'src')).map((path) => ({
      source: `apps/${app}/src/${path}`,
      target: `${app}/${path.replace(/\.ts$/, '')}`,
    })),
  ]);
  return [...ofApps, { source: 'tools/platform/src/main.ts', target: 'runner/main' }];
}

/**
 * Rewrites `new URL('./a-worker.ts', import.meta.url)` so that it finds the bundled worker: in a
 * bundle `import.meta.url` is that of `main.mjs`, whichever file the line stands in.
 *
 * @param folder of the source file below its app's `src`, empty for `src` itself
 */
export function pointToBundledWorkers(text: string, folder: string): string {
  const pattern = /new URL\(\s*(['"])\.\/([\w/-]+-worker)\.ts\1,\s*import\.meta\.url,?\s*\)/g;
  const prefix = folder === '' ? './' : `./${folder}/`;
  return text.replace(pattern, (_, __, name: string) => {
    return `new URL('${prefix}${name}.mjs', import.meta.url)`;
  });
}
