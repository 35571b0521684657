import type { WorkspacePackage } from './workspace.ts';

/**
 * `tsc -b` builds in the order of the references and silently uses stale types where one is
 * missing: so each tsconfig.json references exactly the workspace dependencies of its package.json.
 */
export function findReferenceViolations(packages: readonly WorkspacePackage[]): string[] {
  const folderByName = new Map(packages.map((each) => [each.name, each.folder]));
  return packages.flatMap(({ folder, dependencies, references }) => {
    const wanted = dependencies.flatMap((name) => folderByName.get(name) ?? []);
    const missing = wanted.filter((each) => !references.includes(each));
    const surplus = references.filter((each) => !wanted.includes(each));
    return [
      ...missing.map((each) => `${folder}/tsconfig.json: add the reference to ${each}`),
      ...surplus.map((each) => `${folder}/tsconfig.json: ${each} is no dependency in package.json`),
    ];
  });
}

/** One sentence for each package that a list of references (of the root, of the tests) forgot. */
export function findForgottenPackages(
  file: string,
  references: readonly string[],
  packages: readonly WorkspacePackage[],
): string[] {
  return packages
    .filter(({ folder }) => !references.includes(folder))
    .map(({ folder }) => `${file}: add the reference to ${folder}`);
}
