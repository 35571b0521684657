/**
 * Bundles every program of the platform, because seven services that each load some hundred modules
 * need more than twice the memory of seven that load one.
 *
 * A build goes to a folder named by its content and is made current by renaming `current.json`, so
 * running services keep the files they were started from, and two starts at once do not mix.
 */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, relative } from 'node:path';
import type { Plugin } from 'esbuild';
import { type BundleEntry, listEntries, pointToBundledWorkers } from './entries.ts';
import {
  type BundleManifest,
  buildsFolder,
  hashOf,
  readCurrentManifest,
  stateOf,
} from './manifest.ts';
import {
  escapeBeyondAscii,
  importOnlyUsedZod,
  requireHttp,
  withoutJsonSchemaCompilers,
} from './slimming.ts';

/** Builds that are kept: another home of the same checkout may still run an older one. */
const buildsKeptMax = 4;

/**
 * Found in node_modules at run time. The first loads its own static files by paths that a bundle
 * would break, the others are loaded only where somebody collects traces.
 */
const external = ['@fastify/swagger-ui', '@opentelemetry/*'];

/** CommonJS packages call `require`, which an ES module does not have. */
const banner =
  "import { createRequire as pilotfishRequire } from 'node:module';" +
  'const require = pilotfishRequire(import.meta.url);';

function ourSources(root: string): Plugin {
  return {
    name: 'our-sources',
    setup(build) {
      build.onLoad({ filter: /\/(apps|libs|tools)\/[^/]+\/src\/.*\.ts$/ }, ({ path }) => {
        const [, , , ...inside] = relative(root, dirname(path)).split('/');
        const text = importOnlyUsedZod(readFileSync(path, 'utf8'));
        return { contents: pointToBundledWorkers(text, inside.join('/')), loader: 'ts' };
      });
    },
  };
}

/** One that another start has just renamed or removed is as good as new. */
function madeAtOf(build: string): number {
  return statSync(build, { throwIfNoEntry: false })?.mtimeMs ?? Number.POSITIVE_INFINITY;
}

function removeOldBuilds(folder: string, currentId: string): void {
  const builds = readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && entry.name !== currentId)
    .map(({ name }) => ({ name, madeAt: madeAtOf(join(folder, name)) }))
    .sort((a, b) => b.madeAt - a.madeAt);
  for (const { name } of builds.slice(buildsKeptMax - 1)) {
    rmSync(join(folder, name), { recursive: true, force: true });
  }
}

interface Bundle {
  /** Relative to the folder of the build. */
  readonly file: string;
  readonly text: string;
  readonly hash: string;
}

function store(root: string, bundles: readonly Bundle[]): string {
  const folder = buildsFolder(root);
  const id = hashOf(bundles.map(({ file, hash }) => `${file} ${hash}`).join('\n')).slice(0, 16);
  const unfinished = join(folder, `${id}.tmp-${process.pid}`);
  for (const { file, text } of bundles) {
    const path = join(unfinished, file);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
  }
  try {
    renameSync(unfinished, join(folder, id));
  } catch (error) {
    // Another start, perhaps at this very moment, has made the same.
    if (!existsSync(join(folder, id))) throw error;
    rmSync(unfinished, { recursive: true });
  }
  return id;
}

async function build(root: string, entries: readonly BundleEntry[]): Promise<BundleManifest> {
  const esbuild = await import('esbuild');
  const outdir = join(root, 'bundles'); // names only: nothing is written there
  const result = await esbuild.build({
    absWorkingDir: root,
    entryPoints: entries.map(({ source, target }) => ({ in: join(root, source), out: target })),
    outdir,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    write: false,
    metafile: true,
    platform: 'node',
    target: 'node26',
    format: 'esm',
    conditions: ['@pilotfish/source'],
    external,
    banner: { js: banner },
    // Comments and blanks make a bundle large; names are for stack traces.
    legalComments: 'none',
    minifyWhitespace: true,
    plugins: [ourSources(root), requireHttp, withoutJsonSchemaCompilers],
    logLevel: 'warning',
  });
  const sources = Object.keys(result.metafile.inputs);
  const bundler = readdirSync(import.meta.dirname).map((file) => join(import.meta.dirname, file));
  const fixed = ['package-lock.json', ...bundler.map((path) => relative(root, path))];
  const inputs = [...sources, ...fixed].map((path) => [path, stateOf(join(root, path))]);
  const bundles = result.outputFiles.map((output) => {
    const text = escapeBeyondAscii(output.text);
    return { file: relative(outdir, output.path), text, hash: hashOf(text) };
  });
  const hashes = bundles.map(({ file, hash }) => [file.replace(/\.mjs$/, ''), hash]);
  return {
    id: store(root, bundles),
    inputs: Object.fromEntries(inputs),
    hashes: Object.fromEntries(hashes),
  };
}

/**
 * Makes the bundles unless they are as new as their sources.
 *
 * @throws when a source cannot be bundled; esbuild has then printed where and why
 */
export async function ensureBundles(root: string): Promise<BundleManifest> {
  const entries = listEntries(root);
  const targets = entries.map(({ target }) => target);
  const current = readCurrentManifest(root, targets);
  if (current !== undefined) return current;
  const folder = buildsFolder(root);
  mkdirSync(folder, { recursive: true });
  const manifest = await build(root, entries);
  const unfinished = join(folder, `current.json.tmp-${process.pid}`);
  writeFileSync(unfinished, JSON.stringify(manifest));
  renameSync(unfinished, join(folder, 'current.json'));
  removeOldBuilds(folder, manifest.id);
  return manifest;
}
