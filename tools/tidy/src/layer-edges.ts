import type { WorkspacePackage } from './workspace.ts';

/**
 * What a package of each layer may depend on. An adapter never imports an adapter: two of them are
 * put together in an app. `testing` is for devDependencies; nobody depends on an app or a tool.
 */
const mayDependOn: Readonly<Record<string, readonly string[]>> = {
  kernel: [],
  contracts: ['kernel'],
  domain: ['domain', 'contracts', 'kernel'],
  platform: ['platform', 'domain', 'contracts', 'kernel'],
  adapter: ['platform', 'domain', 'contracts', 'kernel'],
  app: ['adapter', 'platform', 'domain', 'contracts', 'kernel'],
  testing: ['testing', 'adapter', 'platform', 'domain', 'contracts', 'kernel'],
  tool: ['tool', 'testing', 'adapter', 'platform', 'domain', 'contracts', 'kernel'],
};

/** Tests of a package may use more than the package, but never a whole app or tool. */
const mayTestWith = ['testing', 'adapter', 'platform', 'domain', 'contracts', 'kernel'];

/** One sentence for each dependency that points the wrong way. */
export function findLayerViolations(packages: readonly WorkspacePackage[]): string[] {
  const byName = new Map(packages.map((each) => [each.name, each]));
  return packages.flatMap((from) => {
    const allowed = mayDependOn[from.layer ?? ''];
    if (allowed === undefined) {
      return [`${from.folder}/package.json: nx.tags needs one "layer:" of the house style`];
    }
    const check = (names: readonly string[], layers: readonly string[], kind: string) =>
      names.flatMap((name) => {
        const to = byName.get(name);
        if (to === undefined || layers.includes(to.layer ?? '')) return [];
        return [
          `${from.folder} (${from.layer}) must not have ${to.folder} (${to.layer}) as a ${kind}`,
        ];
      });
    return [
      ...check(from.dependencies, allowed, 'dependency'),
      ...check(from.devDependencies, mayTestWith, 'devDependency'),
    ];
  });
}
