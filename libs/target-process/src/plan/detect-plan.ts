import type { BuildPlan, Detection, DetectionInput } from './build-plan.ts';
import { commandLineToArgv, splitSimpleCommand } from './command-line.ts';
import { chooseNode, type NodeChoice } from './node-version.ts';
import {
  hasDependencies,
  hasInstallScripts,
  hasLocalDependencies,
  type PackageJson,
  parsePackageJson,
} from './package-json.ts';
import { choosePackageManager, type PackageManagerChoice } from './package-manager.ts';
import { parseProcfile } from './procfile.ts';

/** Where front-end tools put a finished site; the first with an index.html is served. */
const siteFolders = ['dist', 'build', 'out', '_site', 'public', '.'];

/**
 * Reads from a source's files how it is built and started. Building is another module's work: this
 * one only looks, so that the plan can be shown before anything runs, and tested without a machine.
 */
export function detectPlan(input: DetectionInput): Detection {
  const { manifests, names } = input;
  const procfile = manifests.Procfile === undefined ? undefined : parseProcfile(manifests.Procfile);
  const web = procfile?.get('web');
  if (manifests['package.json'] !== undefined) return detectNode(input, web);
  if (web !== undefined || (procfile === undefined && input.command.length > 0)) {
    return detectProcfile(input, web);
  }
  if (procfile !== undefined) {
    return {
      found: false,
      summary: 'The Procfile has no process named web.',
      suggestion: 'Add a line `web: <command>` to the Procfile; it has to listen on $PORT.',
    };
  }
  if (names.has('index.html')) return detectStatic(input);
  return {
    found: false,
    summary: `Nothing here says how to run it: no package.json, Procfile or index.html among ${describeNames(names)}.`,
    suggestion:
      'Add one of them, or set the root path of the application to the folder that has one.',
  };
}

function describeNames(names: ReadonlySet<string>): string {
  if (names.size === 0) return 'no files at all';
  const shown = [...names].sort().slice(0, 8).join(', ');
  return names.size > 8 ? `${shown} and ${names.size - 8} more` : shown;
}

function detectNode(input: DetectionInput, web: string | undefined): Detection {
  const parsed = parsePackageJson(input.manifests['package.json'] ?? '');
  if (!parsed.ok) {
    return {
      found: false,
      summary: `package.json cannot be read: ${parsed.problem}.`,
      suggestion: 'Mend package.json; `npm pkg get name` shows whether npm can read it.',
    };
  }
  const { content } = parsed;
  const manager = choosePackageManager(content, input.manifests);
  const node = chooseNode(input.nodeVersions, wantedNode(content, input.manifests));
  const start = nodeStart(input, content, web, manager);
  const hasBuild = content.scripts.build !== undefined;
  const site = start === undefined && (hasBuild || input.names.has('index.html'));
  if (start === undefined && !site) {
    return {
      found: false,
      summary: 'package.json does not say how the application is started.',
      suggestion:
        'Add `"scripts": { "start": "node server.js" }` with your own file to package.json.',
    };
  }
  const installs =
    hasDependencies(content) || content.workspaces !== undefined || hasInstallScripts(content);
  return {
    found: true,
    plan: {
      kind: 'node',
      because: ['package.json', manager.lockfile, web === undefined ? undefined : 'Procfile']
        .filter((name) => name !== undefined)
        .join(' and '),
      node: node.version,
      packageManager: manager.name,
      install: installs ? [...manager.install] : null,
      build: hasBuild ? [...manager.runner, 'run', 'build'] : null,
      start: start ?? null,
      staticFolders: site ? siteFolders : null,
      dependenciesReusable: installs && isReusable(content, manager),
      environment: { ...manager.environment },
      warnings: nodeWarnings(node, installs ? manager : undefined),
    },
  };
}

function isReusable(content: PackageJson, manager: PackageManagerChoice): boolean {
  return (
    manager.lockfile !== undefined && !hasInstallScripts(content) && !hasLocalDependencies(content)
  );
}

function nodeWarnings(node: NodeChoice, manager: PackageManagerChoice | undefined): string[] {
  return [node.warning, manager?.warning].filter((text) => text !== undefined);
}

function wantedNode(
  content: PackageJson,
  manifests: DetectionInput['manifests'],
): string | undefined {
  return content.engines.node ?? manifests['.node-version'] ?? manifests['.nvmrc'];
}

/** The service's own command, the Procfile's web process, the start script, the main file. */
function nodeStart(
  input: DetectionInput,
  content: PackageJson,
  web: string | undefined,
  manager: PackageManagerChoice,
): string[] | undefined {
  if (input.command.length > 0) return [...input.command];
  if (web !== undefined) return commandLineToArgv(web);
  const { scripts } = content;
  if (scripts.start !== undefined) {
    const direct = splitSimpleCommand(scripts.start);
    const alone = scripts.prestart === undefined && scripts.poststart === undefined;
    const usesManager = /\b(?:pnpm|yarn)\b/.test(scripts.start);
    // Without npm around it, the application gets its signals itself and 50 MB less are used.
    if (direct !== undefined && alone && !usesManager) return direct;
    // npm runs the scripts of other managers as well, and need not be fetched first.
    return [...(usesManager ? manager.runner : ['npm']), 'run', 'start'];
  }
  const main = content.main?.replace(/^\.\//, '');
  const candidates = [main, 'server.js', 'server.mjs', 'index.js', 'index.mjs', 'app.js'];
  const file = candidates.find((name) => name !== undefined && input.names.has(name));
  // A package with a build step and an index.js beside it is more often a site than a server.
  if (file === undefined || (scripts.build !== undefined && !file.startsWith('server'))) {
    return undefined;
  }
  return ['node', file];
}

const nothing = {
  node: null,
  packageManager: null,
  install: null,
  build: null,
  dependenciesReusable: false,
  environment: {},
  warnings: [],
} satisfies Partial<BuildPlan>;

function detectProcfile(input: DetectionInput, web: string | undefined): Detection {
  const start = input.command.length > 0 ? [...input.command] : commandLineToArgv(web ?? '');
  const because = input.command.length > 0 ? 'the start command of the application' : 'Procfile';
  return {
    found: true,
    plan: { ...nothing, kind: 'procfile', because, start, staticFolders: null },
  };
}

function detectStatic(input: DetectionInput): Detection {
  const node = chooseNode(input.nodeVersions, undefined);
  return {
    found: true,
    plan: {
      ...nothing,
      kind: 'static',
      because: 'index.html',
      node: node.version,
      start: null,
      staticFolders: ['.'],
    },
  };
}
