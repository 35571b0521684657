import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Clock, Fault } from '@pilotfish/kernel';
import type { GitRunOptions, RunGit } from './run.ts';
import { type GitCredentials, isBranchName, isCommitSha } from './url.ts';

export interface FetchCommitRequest {
  readonly url: string;
  /** A full object name. */
  readonly commit: string;
  /** An absent or empty folder; made with its parents. After a failure it is left empty. */
  readonly into: string;
  /** Where to look first when the server gives out only the tips of branches. */
  readonly branch?: string | undefined;
  readonly credentials?: GitCredentials | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Keeps `.git` in the folder; default false. */
  readonly keepGit?: boolean;
  /** For everything together, default ten minutes. */
  readonly timeoutMs?: number;
}

/** What a history shows of a commit. */
export interface CommitInfo {
  readonly sha: string;
  /** The first line of its message, at most 500 characters. */
  readonly subject: string;
  readonly authorName: string;
  /** RFC 3339, in UTC. */
  readonly committedAt: string;
}

/** The part of a failed fetch that only says "not this commit by its name": try by branch. */
function isRefusedByName(thrown: unknown): boolean {
  return (
    thrown instanceof Fault &&
    /not our ref|unadvertised object|no such remote ref|couldn't find remote ref|dumb http|bad object/i.test(
      thrown.internal ?? '',
    )
  );
}

export async function fetchCommit(
  deps: { readonly run: RunGit; readonly clock: Clock },
  url: URL,
  request: FetchCommitRequest,
): Promise<CommitInfo> {
  const { commit, into, branch } = request;
  if (!isCommitSha(commit)) {
    throw new Fault('invalid_input', 'A commit is named by its full object name.');
  }
  if (branch !== undefined && !isBranchName(branch)) {
    throw new Fault('invalid_input', `${JSON.stringify(branch)} is not a branch name.`);
  }
  await mkdir(into, { recursive: true });
  if ((await readdir(into)).length > 0) {
    throw new Fault('conflict', 'The folder for the commit is not empty.', { internal: into });
  }
  const startedMs = deps.clock.monotonicMs();
  const run: RunGit = (argv, options = {}) => {
    const spentMs = deps.clock.monotonicMs() - startedMs;
    const timeoutMs = Math.max(1, (request.timeoutMs ?? 600_000) - spentMs);
    return deps.run(argv, { ...options, cwd: into, signal: request.signal, timeoutMs });
  };
  const remote: GitRunOptions = { url, credentials: request.credentials };
  try {
    const format = commit.length === 64 ? 'sha256' : 'sha1';
    await run(['init', '--quiet', '--template=', `--object-format=${format}`]);
    await fetchObjects(run, remote, url, commit, branch);
    await run(['checkout', '--quiet', '--force', '--detach', commit, '--']);
    const info = await readCommit(run, commit);
    if (!request.keepGit) await rm(join(into, '.git'), { recursive: true, force: true });
    return info;
  } catch (thrown) {
    // The folder itself may be the caller's; what is in it is ours.
    for (const name of await readdir(into)) {
      await rm(join(into, name), { recursive: true, force: true });
    }
    throw thrown;
  }
}

const quietly = ['--quiet', '--no-tags', '--no-recurse-submodules', '--no-write-fetch-head'];

/**
 * By name first, which moves one commit. A server that gives out only tips is then asked for the
 * branch, deeper each time, and at last for every branch.
 */
export async function fetchObjects(
  run: RunGit,
  remote: GitRunOptions,
  url: URL,
  commit: string,
  branch: string | undefined,
): Promise<void> {
  const fetch = (...words: string[]) => run(['fetch', ...quietly, ...words], remote);
  try {
    await fetch('--depth=1', '--', url.href, commit);
    return;
  } catch (thrown) {
    if (!isRefusedByName(thrown)) throw thrown;
  }
  if (branch !== undefined) {
    const refspec = `+refs/heads/${branch}:refs/pilotfish/branch`;
    for (const depth of ['--depth=1', '--depth=200', '--unshallow']) {
      if (!(await fetchedBranch(() => fetch(depth, '--', url.href, refspec)))) break;
      if (await hasCommit(run, commit)) return;
      if (!(await isShallow(run))) break;
    }
  }
  const unshallow = (await isShallow(run)) ? ['--unshallow'] : [];
  await fetch(...unshallow, '--', url.href, '+refs/heads/*:refs/pilotfish/heads/*');
  if (await hasCommit(run, commit)) return;
  throw new Fault('not_found', `Commit ${commit} is not in ${url.href} (any more).`);
}

async function fetchedBranch(fetch: () => Promise<unknown>): Promise<boolean> {
  try {
    await fetch();
    return true;
  } catch (thrown) {
    if (isRefusedByName(thrown)) return false; // The branch was deleted; another may hold the commit.
    throw thrown;
  }
}

/**
 * Keeps a partial clone from asking its remote for what it lacks: without credentials that would
 * fail slowly, and to lack something is an answer here. (Older Git knows only the first.)
 */
export const withoutLazyFetch = { GIT_ALLOW_PROTOCOL: 'none', GIT_NO_LAZY_FETCH: '1' } as const;

/** True where the commit is in the repository that `run` works in. */
export async function hasCommit(run: RunGit, commit: string): Promise<boolean> {
  try {
    const { stdout } = await run(['cat-file', '--batch-check'], {
      input: `${commit}\n`,
      environment: withoutLazyFetch,
    });
    return stdout.toString('utf8').startsWith(`${commit} commit`);
  } catch (thrown) {
    if (thrown instanceof Fault && !thrown.retryable) return false;
    throw thrown;
  }
}

async function isShallow(run: RunGit): Promise<boolean> {
  const { stdout } = await run(['rev-parse', '--is-shallow-repository']);
  return stdout.toString('utf8').trim() === 'true';
}

/** Of a commit that is in the repository in which `run` works; in whatever encoding it was made. */
export async function readCommit(run: RunGit, commit: string): Promise<CommitInfo> {
  const argv = ['log', '-1', '--no-show-signature', '--format=%s%x00%an%x00%ct', commit, '--'];
  const { stdout } = await run(argv);
  const [subject = '', authorName = '', seconds = '0'] = stdout.toString('utf8').trim().split('\0');
  return {
    sha: commit,
    // A cut may go through a character of two halves; the database takes no half.
    subject: subject.slice(0, 500).toWellFormed(),
    authorName: authorName.slice(0, 200).toWellFormed(),
    committedAt: Temporal.Instant.fromEpochMilliseconds(Number(seconds) * 1000).toString(),
  };
}
