import { child, lineOf, nameOf, type SyntaxNode, walkSyntaxTree } from './syntax-tree.ts';
import { isTestFile, type SourceFile } from './workspace.ts';

const fileLinesMax = 350;
const functionLinesMax = 70;

const functionTypes = new Set([
  'FunctionDeclaration',
  'FunctionExpression',
  'ArrowFunctionExpression',
]);

function describe(node: SyntaxNode): string {
  return nameOf(child(node, 'id')) ?? 'a function';
}

/**
 * One sentence for each file above 350 lines and each function above 70. Tests are free: a table
 * of cases reads best in one piece.
 */
export function findSizeViolations({ path, text }: SourceFile): string[] {
  if (isTestFile(path)) return [];
  const violations: string[] = [];
  const fileLines = text.trimEnd().split('\n').length;
  if (fileLines > fileLinesMax) {
    violations.push(`${path}: ${fileLines} lines, split it (${fileLinesMax} at most)`);
  }
  walkSyntaxTree(path, text, (node) => {
    if (!functionTypes.has(node.type)) return;
    const first = lineOf(text, node.start);
    const lines = lineOf(text, node.end) - first + 1;
    if (lines <= functionLinesMax) return;
    const limit = `${functionLinesMax} at most`;
    violations.push(`${path}:${first}: ${describe(node)} has ${lines} lines, split it (${limit})`);
  });
  return violations;
}
