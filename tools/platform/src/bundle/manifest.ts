import { createHash } from 'node:crypto';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** What a build was made of and what it made; `current.json` beside the builds. */
export interface BundleManifest {
  /** Names the folder of the build. */
  readonly id: string;
  /** Source file, relative to the repository, → its state when it was read. */
  readonly inputs: Readonly<Record<string, string>>;
  /** `core-api/main` → SHA-256 of the bundle: a service is replaced only when its own changed. */
  readonly hashes: Readonly<Record<string, string>>;
}

/** Where builds lie. Inside node_modules, so that packages left out of a bundle are found. */
export function buildsFolder(root: string): string {
  return join(root, 'node_modules/.cache/pilotfish/bundles');
}

/** Size and time of a file: reading six hundred files to hash them would take longer. */
export function stateOf(path: string): string {
  if (!existsSync(path)) return 'missing';
  const { size, mtimeMs } = statSync(path);
  return `${size}-${mtimeMs}`;
}

export function hashOf(content: string | Uint8Array): string {
  return createHash('sha256').update(content).digest('hex');
}

/** The last build, undefined when there is none or something it was made of has changed. */
export function readCurrentManifest(
  root: string,
  wantedTargets: readonly string[],
): BundleManifest | undefined {
  const path = join(buildsFolder(root), 'current.json');
  if (!existsSync(path)) return undefined;
  const manifest = JSON.parse(readFileSync(path, 'utf8')) as BundleManifest;
  const isComplete = wantedTargets.every((target) => {
    const file = join(buildsFolder(root), manifest.id, `${target}.mjs`);
    return manifest.hashes[target] !== undefined && existsSync(file);
  });
  if (!isComplete) return undefined;
  const isFresh = Object.entries(manifest.inputs).every(
    ([file, state]) => stateOf(join(root, file)) === state,
  );
  return isFresh ? manifest : undefined;
}
