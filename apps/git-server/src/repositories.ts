import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Git } from '@pilotfish/git';
import { Fault, newId } from '@pilotfish/kernel';
import { z } from 'zod';

/** What is known of a repository where core-api is away; kept beside its objects. */
const Identity = z.object({
  repositoryId: z.uuid(),
  organizationId: z.uuid(),
  name: z.string(),
  hookId: z.uuid(),
  defaultBranch: z.string(),
});
export type RepositoryIdentity = z.infer<typeof Identity>;

export interface Repository extends RepositoryIdentity {
  /** The bare repository. */
  readonly folder: string;
}

export interface Repositories {
  /**
   * The repository's folder, made where it is missing. A folder that belonged to a repository of
   * the same name that was deleted since is set aside, never served.
   */
  open(identity: RepositoryIdentity): Promise<Repository>;
  /** Null where nobody has opened it yet. */
  find(organizationId: string, name: string): Promise<Repository | null>;
  /** The identity kept in a folder; used by what was spooled by hooks. */
  read(folder: string): Promise<Repository | null>;
}

const identityFile = 'pilotfish.json';
/** Where repositories are prepared; nothing in it outlives the process. */
export const repositoryDrafts = '.drafts';

export interface RepositoriesDeps {
  readonly git: Git;
  readonly dataFolder: string;
}

export function createRepositories({ git, dataFolder }: RepositoriesDeps): Repositories {
  const opening = new Map<string, Promise<Repository>>();
  const folderOf = (organizationId: string, name: string) =>
    join(dataFolder, organizationId, `${name}.git`);

  async function openOnce(identity: RepositoryIdentity): Promise<Repository> {
    const folder = folderOf(identity.organizationId, identity.name);
    const known = await readIdentity(folder);
    if (known?.repositoryId === identity.repositoryId) {
      if (known.hookId !== identity.hookId || known.defaultBranch !== identity.defaultBranch) {
        await writeIdentity(folder, identity);
        await setHead(git, folder, identity.defaultBranch);
      }
      return { ...identity, folder };
    }
    if (known !== null) {
      const aside = join(dataFolder, '.removed');
      await mkdir(aside, { recursive: true, mode: 0o700 });
      await rename(folder, join(aside, `${known.repositoryId}.git`));
    }
    await create(git, dataFolder, folder, identity);
    return { ...identity, folder };
  }

  return {
    open(identity) {
      // One after the other: the second caller finds what the first one made.
      const before = opening.get(identity.repositoryId) ?? Promise.resolve(null);
      const mine = before.then(
        () => openOnce(identity),
        () => openOnce(identity),
      );
      opening.set(identity.repositoryId, mine);
      const forget = () => {
        if (opening.get(identity.repositoryId) === mine) opening.delete(identity.repositoryId);
      };
      mine.then(forget, forget);
      return mine;
    },
    find: (organizationId, name) => readRepository(folderOf(organizationId, name)),
    read: readRepository,
  };
}

async function readRepository(folder: string): Promise<Repository | null> {
  const identity = await readIdentity(folder);
  return identity && { ...identity, folder };
}

/** Prepared beside its place and then renamed: a half-made repository is never served. */
async function create(
  git: Git,
  dataFolder: string,
  folder: string,
  identity: RepositoryIdentity,
): Promise<void> {
  const drafts = join(dataFolder, repositoryDrafts);
  const draft = join(drafts, newId());
  await mkdir(draft, { recursive: true, mode: 0o700 });
  try {
    const branch = `--initial-branch=${identity.defaultBranch}`;
    await git.run(['init', '--quiet', '--bare', '--template=', branch], { cwd: draft });
    await writeIdentity(draft, identity);
    await mkdir(join(dataFolder, identity.organizationId), { recursive: true, mode: 0o700 });
    await rename(draft, folder);
  } catch (cause) {
    await rm(draft, { recursive: true, force: true });
    throw new Fault('unavailable', 'The repository cannot be created just now.', {
      internal: `${folder}: ${cause instanceof Error ? cause.message : String(cause)}`,
      cause,
    });
  }
}

async function setHead(git: Git, folder: string, branch: string): Promise<void> {
  const environment = { GIT_DIR: folder };
  await git.run(['symbolic-ref', 'HEAD', `refs/heads/${branch}`], { cwd: folder, environment });
}

async function writeIdentity(folder: string, identity: RepositoryIdentity): Promise<void> {
  const file = join(folder, identityFile);
  await writeFile(`${file}.draft`, `${JSON.stringify(identity, null, 2)}\n`, {
    mode: 0o600,
    flush: true,
  });
  await rename(`${file}.draft`, file);
}

async function readIdentity(folder: string): Promise<RepositoryIdentity | null> {
  try {
    return Identity.parse(JSON.parse(await readFile(join(folder, identityFile), 'utf8')));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw new Fault('internal', 'The repository cannot be read.', {
      internal: folder,
      cause: error,
    });
  }
}
