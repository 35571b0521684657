import { execFile } from 'node:child_process';
import { constants } from 'node:fs';
import { access, mkdir, realpath, rename, rm, symlink } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { Fault } from '@pilotfish/kernel';

const run = promisify(execFile);

export interface Toolchain {
  /** Versions of Node on this machine, newest first as found. */
  readonly nodeVersions: readonly string[];
  /**
   * The PATH under which `node` is the given version and `npm` is the machine's, run by it; null
   * gives the machine's own PATH.
   */
  path(nodeVersion: string | null): Promise<string>;
  /** Absolute path of a Node version's program. */
  node(version: string): string;
}

interface ToolchainDeps {
  /** Where the folders of links are made. */
  readonly toolsFolder: string;
  readonly hostPath: string;
  /** The Node that the platform brings along. */
  readonly ownNode: string;
}

/** Looks once which Node versions and which npm this machine has. */
export async function findToolchain(deps: ToolchainDeps): Promise<Toolchain> {
  const nodes = new Map<string, string>();
  for (const candidate of [deps.ownNode, await findProgram('node', deps.hostPath)]) {
    if (candidate === undefined) continue;
    const version = await readVersion(candidate);
    if (version !== undefined && !nodes.has(version)) nodes.set(version, candidate);
  }
  const npm = await findProgram('npm', deps.hostPath);
  const paths = new Map<string, Promise<string>>();
  const node = (version: string) => {
    const found = nodes.get(version);
    if (found === undefined) {
      throw new Fault('unavailable', `Node ${version} is not on this machine any more.`);
    }
    return found;
  };
  return {
    nodeVersions: [...nodes.keys()],
    node,
    async path(version) {
      if (version === null) return deps.hostPath;
      let path = paths.get(version);
      if (path === undefined) {
        const programs = { node: node(version), ...(npm === undefined ? {} : { npm }) };
        path = makeLinks(join(deps.toolsFolder, `node-${version}`), programs);
        paths.set(version, path);
      }
      return `${await path}${delimiter}${deps.hostPath}`;
    },
  };
}

async function makeLinks(
  folder: string,
  programs: Readonly<Record<string, string>>,
): Promise<string> {
  await mkdir(folder, { recursive: true });
  for (const [name, program] of Object.entries(programs)) {
    // Replaced by a rename: an application may be looking at the link at this moment.
    const fresh = join(folder, `.${name}.${process.pid}`);
    await rm(fresh, { force: true });
    await symlink(await realpath(program), fresh);
    await rename(fresh, join(folder, name));
  }
  return folder;
}

async function findProgram(name: string, path: string): Promise<string | undefined> {
  for (const folder of path.split(delimiter)) {
    if (!folder.startsWith('/')) continue;
    const candidate = join(folder, name);
    const found = await access(candidate, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (found) return candidate;
  }
  return undefined;
}

async function readVersion(node: string): Promise<string | undefined> {
  try {
    const { stdout } = await run(node, ['--version'], { timeout: 10_000, env: {} });
    return stdout.trim().replace(/^v/, '');
  } catch {
    return undefined;
  }
}
