import { z } from 'zod';

/** Programs by name, resolved on the machine; never a shell line. */
const Argv = z.array(z.string()).min(1);

/**
 * How a source becomes a running application. Shown to the user as it is, and kept with the
 * artefact, so that a release is started the way it was built.
 */
export const BuildPlan = z.looseObject({
  kind: z.enum(['node', 'procfile', 'static']),
  /** What it was recognised by, for the user. */
  because: z.string(),
  /** The Node version that builds and runs it; null where it brings its own program. */
  node: z.string().nullable(),
  packageManager: z.enum(['npm', 'yarn', 'pnpm']).nullable(),
  install: Argv.nullable(),
  build: Argv.nullable(),
  /** Exactly one of `start` and `staticFolders` is present. */
  start: Argv.nullable(),
  /** Served by the target's own static server: the first of these that holds an index.html. */
  staticFolders: z.array(z.string()).nullable(),
  /** Whether the installed dependencies depend on the lockfile alone and can be used again. */
  dependenciesReusable: z.boolean(),
  /** Variables that the plan's commands need. */
  environment: z.record(z.string(), z.string()),
  warnings: z.array(z.string()),
});
export type BuildPlan = z.infer<typeof BuildPlan>;

/** What the detection reads; all of it is data, so that detection is a pure function. */
export interface SourceListing {
  /** Names directly in the service's folder. */
  readonly names: ReadonlySet<string>;
  /** Contents of those of `manifestNames` that are there. */
  readonly manifests: Readonly<Record<string, string>>;
}

/** The files whose content the detection looks at. */
export const manifestNames = [
  'package.json',
  'package-lock.json',
  'npm-shrinkwrap.json',
  'yarn.lock',
  'pnpm-lock.yaml',
  '.npmrc',
  '.yarnrc',
  '.yarnrc.yml',
  '.node-version',
  '.nvmrc',
  'Procfile',
] as const;

export interface DetectionInput extends SourceListing {
  /** Node versions on this machine, without `v`. */
  readonly nodeVersions: readonly string[];
  /** The service's own start command; empty where detection decides. */
  readonly command: readonly string[];
}

export type Detection =
  | { readonly found: true; readonly plan: BuildPlan }
  | { readonly found: false; readonly summary: string; readonly suggestion: string };
