import { child, lineOf, nameOf, type SyntaxNode, walkSyntaxTree } from './syntax-tree.ts';
import { isTestFile, type SourceFile } from './workspace.ts';

interface Ban {
  readonly what: string;
  /** What to do instead; completes the sentence of the failure. */
  readonly instead: string;
  readonly isHome: (path: string) => boolean;
  readonly matches: (node: SyntaxNode) => boolean;
}

const nowhere = () => false;
const clockHome = (path: string) => path === 'libs/kernel/src/clock.ts';
const isMain = (path: string) => /^(apps|tools)\/[^/]+\/src\/main\.ts$/.test(path);
const isBootstrap = (path: string) => path.startsWith('tools/bootstrap/');
/** By a tool that takes the default export of a file. */
const isLoadedByPath = (path: string) =>
  /\.config\.(ts|mjs|js)$/.test(path) || path === 'tools/bootstrap/failure-reporter.mjs';

function isMember(node: SyntaxNode, objects: readonly string[], property: string): boolean {
  if (node.type !== 'MemberExpression') return false;
  const object = nameOf(child(node, 'object')) ?? '';
  return objects.includes(object) && nameOf(child(node, 'property')) === property;
}

/** A use of the global: called or handed on, from `globalThis` or imported from a timers module. */
function isGlobal(node: SyntaxNode, names: readonly string[]): boolean {
  if (node.type === 'ImportSpecifier') return names.includes(nameOf(child(node, 'imported')) ?? '');
  if (node.type === 'CallExpression') return names.includes(nameOf(child(node, 'callee')) ?? '');
  return names.some((name) => isMember(node, ['globalThis', 'timers'], name));
}

function isShellOption(node: SyntaxNode): boolean {
  if (node.type !== 'Property' || nameOf(child(node, 'key')) !== 'shell') return false;
  const value = child(node, 'value');
  return value?.type === 'Literal' && value.value !== false;
}

/** `exec` and `execSync` of node:child_process; a regular expression's exec is a member and fine. */
function isShellImport(node: SyntaxNode): boolean {
  if (node.type !== 'ImportDeclaration') return false;
  if (!/^(node:)?child_process$/.test(nameOf(child(node, 'source')) ?? '')) return false;
  return (node.specifiers as SyntaxNode[]).some((specifier) => {
    if (specifier.type !== 'ImportSpecifier') return true;
    return ['exec', 'execSync'].includes(nameOf(child(specifier, 'imported')) ?? '');
  });
}

const bans: readonly Ban[] = [
  {
    what: 'Date.now',
    instead: 'ask the Clock that you were given, so that a test can turn it',
    isHome: clockHome,
    matches: (node) =>
      isMember(node, ['Date'], 'now') ||
      isMember(node, ['Temporal'], 'Now') ||
      (node.type === 'NewExpression' &&
        nameOf(child(node, 'callee')) === 'Date' &&
        (node.arguments as unknown[]).length === 0),
  },
  {
    what: 'Math.random',
    instead: 'take a random number as a value, so that a run can be repeated',
    isHome: isMain,
    matches: (node) => isMember(node, ['Math'], 'random'),
  },
  {
    what: 'setTimeout',
    instead: 'use clock.sleep with a signal, or AbortSignal.timeout; tests wait for a condition',
    isHome: clockHome,
    matches: (node) => isGlobal(node, ['setTimeout', 'setInterval']),
  },
  {
    what: 'process.env',
    instead: 'read it in main.ts and hand it on, so that configuration is read once',
    isHome: (path) =>
      isMain(path) ||
      isBootstrap(path) ||
      isTestFile(path) ||
      path.startsWith('libs/testing/') ||
      path.startsWith('tools/system/') ||
      !path.includes('/'),
    matches: (node) => isMember(node, ['process'], 'env'),
  },
  {
    what: 'console.',
    instead: 'use the logger that you were given',
    isHome: isBootstrap,
    matches: (node) =>
      node.type === 'MemberExpression' && nameOf(child(node, 'object')) === 'console',
  },
  {
    what: 'as any',
    instead: 'parse with a schema, or narrow from unknown',
    isHome: nowhere,
    matches: (node) =>
      ['TSAsExpression', 'TSTypeAssertion'].includes(node.type) &&
      child(node, 'typeAnnotation')?.type === 'TSAnyKeyword',
  },
  {
    what: 'exec with a shell',
    instead: 'start programs by argv (import spawn or execFile by name)',
    isHome: nowhere,
    matches: isShellImport,
  },
  {
    what: 'shell: true',
    instead: 'start programs by argv',
    isHome: nowhere,
    matches: isShellOption,
  },
  {
    what: 'export default',
    instead: 'export a name that is the same everywhere',
    isHome: isLoadedByPath,
    matches: (node) => node.type === 'ExportDefaultDeclaration',
  },
  {
    what: 'export *',
    instead: 'list the names: an index is the interface of its package',
    isHome: nowhere,
    matches: (node) => node.type === 'ExportAllDeclaration',
  },
  {
    what: 'enum',
    instead: 'use a union of string literals or an object `as const`',
    isHome: nowhere,
    matches: (node) => node.type === 'TSEnumDeclaration',
  },
];

/** One sentence for each use of something that has its one home elsewhere. */
export function findBannedUses({ path, text }: SourceFile): string[] {
  const here = bans.filter((ban) => !ban.isHome(path));
  const violations: string[] = [];
  walkSyntaxTree(path, text, (node) => {
    for (const { what, instead, matches } of here) {
      if (matches(node))
        violations.push(`${path}:${lineOf(text, node.start)}: ${what}: ${instead}`);
    }
  });
  return violations;
}
