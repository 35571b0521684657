import { posix } from 'node:path';
import { child, lineOf, nameOf, walkSyntaxTree } from './syntax-tree.ts';
import type { SourceFile } from './workspace.ts';

/** One sentence for each relative import that leaves its package and so goes past its `exports`. */
export function findEscapingImports({ path, text }: SourceFile): string[] {
  const home = /^(apps|libs|tools)\/[^/]+\//.exec(path)?.[0];
  if (home === undefined) return [];
  const violations: string[] = [];
  walkSyntaxTree(path, text, (node) => {
    const source = nameOf(child(node, 'source'));
    if (source === undefined || !source.startsWith('.')) return;
    const target = posix.join(posix.dirname(path), source);
    if (target.startsWith(home)) return;
    violations.push(
      `${path}:${lineOf(text, node.start)}: ${source} leaves ${home}; name a package`,
    );
  });
  return violations;
}
