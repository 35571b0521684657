import { createHash } from 'node:crypto';
import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Fault } from '@pilotfish/kernel';
import { fetchObjects, hasCommit, withoutLazyFetch } from './fetch-commit.ts';
import type { GitRunOptions, RunGit } from './run.ts';
import { type GitCredentials, isCommitSha, isZeroSha } from './url.ts';

export interface ChangedPathsRequest {
  readonly url: string;
  /** The commit that was there before; null or zeros where there was none. */
  readonly from: string | null;
  readonly to: string;
  readonly branch?: string | undefined;
  readonly credentials?: GitCredentials | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Default 10,000; more paths than these count as unknown. */
  readonly pathsMax?: number;
}

/** `unknown` is to be read as "anything may have changed". */
export type ChangedPaths =
  | { readonly kind: 'paths'; readonly paths: readonly string[] }
  | { readonly kind: 'unknown'; readonly reason: string };

interface ChangedPathsDeps {
  readonly run: RunGit;
  readonly parse: (url: string) => URL;
  readonly cacheFolder: string;
}

/** Loose packs per clone: beyond it the clone is thrown away, which is cheaper than repacking. */
const packsMax = 150;

/**
 * Compares two commits by their trees alone, in one bare blobless clone per repository. Requests on
 * one repository follow each other; a clone that Git finds damaged is made anew.
 */
export function createChangedPaths(
  deps: ChangedPathsDeps,
): (request: ChangedPathsRequest) => Promise<ChangedPaths> {
  const queues = new Map<string, Promise<unknown>>();
  return (request) => {
    const url = deps.parse(request.url);
    if (!isCommitSha(request.to) || !(request.from === null || isCommitSha(request.from))) {
      throw new Fault('invalid_input', 'A commit is named by its full object name.');
    }
    const { from } = request;
    if (from === null || isZeroSha(from)) {
      return Promise.resolve({ kind: 'unknown', reason: 'there is no commit to compare with' });
    }
    const key = createHash('sha256').update(url.href).digest('hex').slice(0, 32);
    const folder = join(deps.cacheFolder, `${key}.git`);
    const before = queues.get(key) ?? Promise.resolve();
    const mine = before.then(() => compareInClone(deps.run, url, folder, { ...request, from }));
    const settled = mine.then(
      () => {},
      () => {},
    );
    queues.set(key, settled);
    void settled.then(() => queues.get(key) === settled && queues.delete(key));
    return mine;
  };
}

async function compareInClone(
  run: RunGit,
  url: URL,
  folder: string,
  request: ChangedPathsRequest & { readonly from: string },
): Promise<ChangedPaths> {
  request.signal?.throwIfAborted();
  try {
    return await compareOnce(run, url, folder, request);
  } catch (thrown) {
    // Only what no other reading explains: a damaged clone, or lock files of a killed process.
    if (!(thrown instanceof Fault && thrown.code === 'internal')) throw thrown;
    await rm(folder, { recursive: true, force: true });
    return await compareOnce(run, url, folder, request);
  }
}

async function compareOnce(
  run: RunGit,
  url: URL,
  folder: string,
  request: ChangedPathsRequest & { readonly from: string },
): Promise<ChangedPaths> {
  const { from, to, branch, credentials, signal } = request;
  const inClone: RunGit = (argv, options = {}) =>
    run(argv, { ...options, signal, environment: { ...options.environment, GIT_DIR: folder } });
  await openClone(inClone, url, folder, to);
  const remote: GitRunOptions = { url, credentials, timeoutMs: 180_000 };
  for (const commit of [to, from]) {
    if (await hasCommit(inClone, commit)) continue;
    try {
      await fetchObjects(withBlobFilter(inClone), remote, url, commit, branch);
    } catch (thrown) {
      const gone = thrown instanceof Fault && thrown.code === 'not_found';
      if (gone && commit === from) {
        return {
          kind: 'unknown',
          reason: `the commit before, ${from}, is gone from the repository`,
        };
      }
      throw thrown;
    }
  }
  const argv = ['diff-tree', '-r', '-z', '--name-only', '--no-renames', from, to, '--'];
  const { stdout } = await inClone(argv, {
    outputBytesMax: 32 * 1024 * 1024,
    environment: withoutLazyFetch,
  });
  const paths = stdout
    .toString('utf8')
    .split('\0')
    .filter((path) => path !== '');
  const pathsMax = request.pathsMax ?? 10_000;
  if (paths.length > pathsMax) {
    return { kind: 'unknown', reason: `more than ${pathsMax} files differ` };
  }
  return { kind: 'paths', paths };
}

function withBlobFilter(run: RunGit): RunGit {
  return (argv, options) => {
    const [command, ...words] = argv;
    if (command !== 'fetch') return run(argv, options);
    return run(['fetch', '--filter=blob:none', ...words], options);
  };
}

async function openClone(run: RunGit, url: URL, folder: string, commit: string): Promise<void> {
  const packs = await readdir(join(folder, 'objects', 'pack')).catch(() => undefined);
  if (packs !== undefined && packs.length <= packsMax * 3) return;
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  const format = commit.length === 64 ? 'sha256' : 'sha1';
  await run(['init', '--quiet', '--bare', '--template=', `--object-format=${format}`]);
  // What a filter leaves out is a promise of this remote; without it Git calls the clone damaged.
  await run(['config', 'remote.origin.url', url.href]);
  await run(['config', 'remote.origin.promisor', 'true']);
  await run(['config', 'remote.origin.partialclonefilter', 'blob:none']);
  await run(['config', 'extensions.partialClone', 'origin']);
}
