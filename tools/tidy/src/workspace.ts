import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';

export interface SourceFile {
  /** Relative to the repository, with slashes. */
  readonly path: string;
  readonly text: string;
}

export interface WorkspacePackage {
  readonly name: string;
  /** Relative to the repository: `libs/kernel`. */
  readonly folder: string;
  /** The part after `layer:` of its one nx tag; undefined without the tag. */
  readonly layer: string | undefined;
  readonly dependencies: readonly string[];
  readonly devDependencies: readonly string[];
  /** Folders that its tsconfig.json references, relative to the repository. */
  readonly references: readonly string[];
}

const parents = ['apps', 'libs', 'tools'];
const neverSource = new Set(['node_modules', 'dist', 'fixtures', '.pilotfish']);

function readJson(path: string): Record<string, unknown> {
  return JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>;
}

/** Folders that a tsconfig file of the repository references, relative to the repository. */
export function readReferences(root: string, file: string): string[] {
  const config = readJson(join(root, file)) as { references?: { path: string }[] };
  const folder = join(root, file, '..');
  return (config.references ?? []).map((reference) => relative(root, join(folder, reference.path)));
}

/** Every package of the workspace, sorted by folder. */
export function readPackages(root: string): WorkspacePackage[] {
  const folders = parents.flatMap((parent) =>
    readdirSync(join(root, parent)).map((name) => `${parent}/${name}`),
  );
  return folders
    .filter((folder) => existsSync(join(root, folder, 'package.json')))
    .sort()
    .map((folder) => {
      const manifest = readJson(join(root, folder, 'package.json'));
      const tags = (manifest.nx as { tags?: string[] } | undefined)?.tags ?? [];
      const config = `${folder}/tsconfig.json`;
      return {
        name: String(manifest.name),
        folder,
        layer: tags.find((tag) => tag.startsWith('layer:'))?.slice('layer:'.length),
        dependencies: Object.keys((manifest.dependencies ?? {}) as object),
        devDependencies: Object.keys((manifest.devDependencies ?? {}) as object),
        references: existsSync(join(root, config)) ? readReferences(root, config) : [],
      };
    });
}

/** Small programs that tests start as somebody's application: data of a test, not code of ours. */
const sampleProgram = /\/test\/.*\.m?js$/;

function isSource(path: string): boolean {
  if (sampleProgram.test(path) || path.endsWith('.d.ts')) return false;
  return /\.(ts|mts|mjs|js)$/.test(path);
}

/** Every TypeScript and JavaScript file of the repository that people write. */
export function readSourceFiles(root: string): SourceFile[] {
  const files: SourceFile[] = [];
  const enter = (folder: string) => {
    for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
      const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
      if (entry.isDirectory()) {
        if (!neverSource.has(entry.name)) enter(path);
      } else if (isSource(path)) {
        files.push({ path, text: readFileSync(join(root, path), 'utf8') });
      }
    }
  };
  for (const parent of parents) enter(parent);
  for (const name of readdirSync(root)) {
    if (/\.(ts|mjs)$/.test(name))
      files.push({ path: name, text: readFileSync(join(root, name), 'utf8') });
  }
  return files;
}

/** True for a file that holds tests or helps only tests of its own package. */
export function isTestFile(path: string): boolean {
  return /\.test\.ts$/.test(path) || /^(apps|libs|tools)\/[^/]+\/test\//.test(path);
}
