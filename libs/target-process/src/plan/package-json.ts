import { z } from 'zod';

const TextRecord = z.record(z.string(), z.string());

/** The part of a package.json that deploying looks at; wrong types elsewhere do not matter. */
const PackageJson = z.looseObject({
  name: z.string().optional(),
  main: z.string().optional(),
  packageManager: z.string().optional(),
  scripts: TextRecord.default({}),
  engines: z.looseObject({ node: z.string().optional() }).default({}),
  dependencies: TextRecord.default({}),
  devDependencies: TextRecord.default({}),
  optionalDependencies: TextRecord.default({}),
  peerDependencies: TextRecord.default({}),
  workspaces: z.unknown().optional(),
});
export type PackageJson = z.infer<typeof PackageJson>;

export type PackageJsonResult =
  | { readonly ok: true; readonly content: PackageJson }
  | { readonly ok: false; readonly problem: string };

export function parsePackageJson(text: string): PackageJsonResult {
  let raw: unknown;
  try {
    raw = JSON.parse(text);
  } catch (thrown) {
    return { ok: false, problem: thrown instanceof Error ? thrown.message : String(thrown) };
  }
  const parsed = PackageJson.safeParse(raw);
  if (parsed.success) return { ok: true, content: parsed.data };
  const [issue] = parsed.error.issues;
  return { ok: false, problem: `${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'not valid'}` };
}

export function hasDependencies(content: PackageJson): boolean {
  return [content.dependencies, content.devDependencies, content.optionalDependencies].some(
    (group) => Object.keys(group).length > 0,
  );
}

/** Scripts that an installation runs for the application itself: its files then shape node_modules. */
const installScripts = ['preinstall', 'install', 'postinstall', 'prepare', 'prepublish'];

export function hasInstallScripts(content: PackageJson): boolean {
  return installScripts.some((name) => content.scripts[name] !== undefined);
}

/** Dependencies that are folders of the same source, so that the lockfile does not fix their content. */
export function hasLocalDependencies(content: PackageJson): boolean {
  if (content.workspaces !== undefined) return true;
  const groups = [content.dependencies, content.devDependencies, content.optionalDependencies];
  return groups.some((group) =>
    Object.values(group).some((range) => /^(?:file|link|portal|workspace|patch):/.test(range)),
  );
}
