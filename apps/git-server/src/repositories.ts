import { mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Git } from '@pilotfish/git';
import { Fault, newId } from '@pilotfish/kernel';
import {
  type RepositoryIdentity,
  readIdentity,
  repositoryDrafts,
  writeIdentity,
} from './identity.ts';
import type { RemovedRepositories } from './removed.ts';

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

export interface RepositoriesDeps {
  readonly git: Git;
  readonly removed: Pick<RemovedRepositories, 'setAside'>;
  readonly dataFolder: string;
}

export function createRepositories({ git, removed, dataFolder }: RepositoriesDeps): Repositories {
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
    if (known !== null) await removed.setAside(folder, known.repositoryId);
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
