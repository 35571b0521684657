import { parseSync } from 'oxc-parser';

/** A node of the ESTree, read loosely: rules look at a handful of fields of a handful of types. */
export interface SyntaxNode {
  readonly type: string;
  /** Offsets into the text. */
  readonly start: number;
  readonly end: number;
  readonly [field: string]: unknown;
}

function isNode(value: unknown): value is SyntaxNode {
  return (
    typeof value === 'object' && value !== null && typeof (value as SyntaxNode).type === 'string'
  );
}

/** Calls `visit` for every node, parents first. Throws when the text is no TypeScript. */
export function walkSyntaxTree(
  path: string,
  text: string,
  visit: (node: SyntaxNode) => void,
): void {
  const { program, errors } = parseSync(path, text);
  if (errors[0] !== undefined) throw new Error(`${path}: ${errors[0].message}`);
  const waiting: unknown[] = [program];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    if (isNode(next)) visit(next);
    for (const child of Object.values(next as object)) {
      if (typeof child === 'object' && child !== null) waiting.push(child);
    }
  }
}

/** The 1-based line of an offset. */
export function lineOf(text: string, offset: number): number {
  return text.slice(0, offset).split('\n').length;
}

/** The field as a node, for chains such as `child(node, 'callee')`. */
export function child(node: SyntaxNode | undefined, field: string): SyntaxNode | undefined {
  const value = node?.[field];
  return isNode(value) ? value : undefined;
}

/** The name of an identifier or the value of a string literal, else undefined. */
export function nameOf(node: SyntaxNode | undefined): string | undefined {
  const name = node?.type === 'Literal' ? node.value : node?.name;
  return typeof name === 'string' ? name : undefined;
}
