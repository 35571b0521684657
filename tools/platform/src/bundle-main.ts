/**
 * `node tools/platform/src/bundle-main.ts ROOT`: makes the bundles if needed and prints the folder
 * they are in. A process of its own, so that the runner never holds the bundler in memory.
 */
import { join } from 'node:path';
import { ensureBundles } from './bundle/build.ts';
import { buildsFolder } from './bundle/manifest.ts';

const [root = ''] = process.argv.slice(2);
try {
  const { id } = await ensureBundles(root);
  process.stdout.write(`${join(buildsFolder(root), id)}\n`);
} catch (error) {
  // What is wrong with a source, esbuild has printed with file and line; a stack adds nothing.
  if (!(error instanceof Error && 'errors' in error)) throw error;
  process.exitCode = 1;
}
