import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeDurably } from './durable-file.ts';
import type { Layout } from './layout.ts';

const content = '{ "private": true }\n';

/**
 * Ends Node's and npm's search for the package that a file belongs to. Without it an application
 * that has no package.json of its own would be part of whatever lies above the data folder, and its
 * `.js` files ES modules where that one says so.
 */
export async function keepBoundary({ dataDir }: Pick<Layout, 'dataDir'>): Promise<void> {
  const file = join(dataDir, 'package.json');
  const found = await readFile(file, 'utf8').catch(() => undefined);
  if (found !== content) await writeDurably(file, content, 0o644);
}
