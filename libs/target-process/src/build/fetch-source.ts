/**
 * The files of one commit, by way of a bare repository kept per source: the next push moves only
 * what changed. The kept repository is a convenience: where it does not serve (a host that gives out
 * branches only, a folder damaged by a power failure) it is removed and the commit fetched alone.
 */
import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Git, GitCredentials } from '@pilotfish/git';
import { Fault } from '@pilotfish/kernel';
import type { OwnedFolders } from '../disk/owned-folder.ts';
import type { KeyedLock } from '../keyed-lock.ts';

export interface SourceRequest {
  readonly url: string;
  readonly commit: string;
  readonly branch: string;
  readonly credentials: GitCredentials | undefined;
  /** Does not exist yet; on return it holds the files. */
  readonly into: string;
  /** The folder of this repository's caches. */
  readonly repository: string;
  readonly signal: AbortSignal;
  readonly timeoutMs: number;
}

interface FetchSourceDeps {
  readonly git: Pick<Git, 'fetchCommit' | 'run'>;
  readonly folders: OwnedFolders;
  readonly lock: KeyedLock;
}

/** Each fetch adds a pack; beyond this starting anew is cheaper than packing again. */
const packsMax = 60;

/** Throws the Faults of `libs/git`, whose details a user may read. */
export async function fetchSource(deps: FetchSourceDeps, request: SourceRequest): Promise<void> {
  const { url, commit, branch, credentials, into, signal, timeoutMs } = request;
  if (await fetchThroughCache(deps, request)) return;
  await rm(into, { recursive: true, force: true });
  await deps.git.fetchCommit({ url, commit, branch, credentials, into, signal, timeoutMs });
}

/** False where the caller has to fetch without the cache. */
async function fetchThroughCache(deps: FetchSourceDeps, request: SourceRequest): Promise<boolean> {
  const { commit, repository, signal } = request;
  // Addresses of other kinds, and malformed ones, are left to the judgement of libs/git.
  if (!/^(?:https?|file):\/\/[^@]*$/.test(request.url) || !/^[0-9a-f]{40}$/.test(commit)) {
    return false;
  }
  return deps.lock.run(repository, signal, async () => {
    const cache = join(repository, 'objects.git');
    try {
      await deps.folders.create(repository, 'repository');
      await fetchInto(deps, cache, request);
      await checkOut(deps, cache, request);
    } catch (thrown) {
      signal.throwIfAborted();
      if (isFinal(thrown)) throw thrown;
      await rm(cache, { recursive: true, force: true });
      return false;
    }
    const packs = await readdir(join(cache, 'objects/pack'));
    if (packs.length > packsMax * 2) await rm(cache, { recursive: true, force: true });
    return true;
  });
}

/** What fetching again without the cache would only repeat. */
function isFinal(thrown: unknown): boolean {
  if (!(thrown instanceof Fault)) return true;
  return ['forbidden', 'unauthenticated', 'invalid_input', 'timeout'].includes(thrown.code);
}

async function fetchInto(
  deps: FetchSourceDeps,
  cache: string,
  request: SourceRequest,
): Promise<void> {
  const { commit, signal, timeoutMs, credentials } = request;
  await mkdir(cache, { recursive: true, mode: 0o700 });
  const options = { cwd: cache, signal, timeoutMs };
  if (!(await readdir(cache)).includes('HEAD')) {
    await deps.git.run(['init', '--quiet', '--bare', '--template='], options);
  }
  const url = new URL(request.url);
  // The ref keeps the commit's objects, and tells the host next time what need not be sent.
  const words = ['--quiet', '--no-tags', '--no-recurse-submodules', '--no-write-fetch-head'];
  await deps.git.run(
    ['fetch', ...words, '--depth=1', '--', url.href, `+${commit}:refs/pilotfish/latest`],
    { ...options, url, credentials },
  );
}

async function checkOut(
  deps: FetchSourceDeps,
  cache: string,
  request: SourceRequest,
): Promise<void> {
  const { into, commit, signal } = request;
  await mkdir(into, { recursive: true });
  const index = `${into}.index`;
  const options = {
    cwd: into,
    signal,
    environment: { GIT_DIR: cache, GIT_WORK_TREE: into, GIT_INDEX_FILE: index },
  };
  await deps.git.run(['read-tree', '--reset', '-u', commit], options);
  await rm(index, { force: true });
}
