import { type Clock, Fault, systemClock } from '@pilotfish/kernel';
import {
  type ChangedPaths,
  type ChangedPathsRequest,
  createChangedPaths,
} from './changed-paths.ts';
import {
  type CommitInfo,
  type FetchCommitRequest,
  fetchCommit,
  readCommit,
} from './fetch-commit.ts';
import { createRunner, type RunGit } from './run.ts';
import { type GitCredentials, isBranchName, isCommitSha, parseGitUrl } from './url.ts';

export interface GitDeps {
  /**
   * A folder of this process alone for the clones behind `changedPaths`; made on demand, and may be
   * removed at any time while nobody runs.
   */
  readonly cacheFolder: string;
  readonly clock?: Clock;
  /** Default `git`, found in PATH. */
  readonly executable?: string;
  /** Laid over the clean environment: see `gitEnvironment`. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Also `file://`, for tests: with it, whoever names a URL reads the machine's own disk. */
  readonly allowFileProtocol?: boolean;
}

export interface ListHeadsOptions {
  readonly credentials?: GitCredentials | undefined;
  /** Only these branches; default all of them (at most some 50,000 by the output limit). */
  readonly branches?: readonly string[];
  readonly signal?: AbortSignal | undefined;
  /** Default 30 seconds. */
  readonly timeoutMs?: number;
}

export interface Git {
  /** What an address may begin with, e.g. `https`. */
  readonly protocols: readonly string[];
  /** Git by argv, with a clean environment, limits and Faults. */
  readonly run: RunGit;
  /** The commit of each branch by its short name; a branch that is not there is not in the map. */
  listHeads(url: string, options?: ListHeadsOptions): Promise<ReadonlyMap<string, string>>;
  /** Puts the files of one commit into a folder, without the history. */
  fetchCommit(request: FetchCommitRequest): Promise<CommitInfo>;
  /** What a history shows of a commit of the bare repository in the folder. */
  readCommit(folder: string, commit: string, signal?: AbortSignal): Promise<CommitInfo>;
  /** What differs between two commits, or that this cannot be known. */
  changedPaths(request: ChangedPathsRequest): Promise<ChangedPaths>;
}

/** Those of other machines: `file` reads this one's disk, others run programs. */
export const remoteProtocols: readonly string[] = ['https', 'http', 'ssh'];

/** Access to remote repositories. Every failure is a Fault whose detail a user may read. */
export function createGit(deps: GitDeps): Git {
  const protocols = [...remoteProtocols, ...(deps.allowFileProtocol ? ['file'] : [])];
  const clock = deps.clock ?? systemClock;
  const run = createRunner({
    clock,
    protocols,
    executable: deps.executable ?? 'git',
    environment: deps.environment ?? {},
  });
  const parse = (url: string) => parseGitUrl(url, protocols);
  const changedPaths = createChangedPaths({ run, parse, cacheFolder: deps.cacheFolder });
  return {
    protocols,
    run,
    listHeads: (url, options = {}) => listHeads(run, parse(url), options),
    fetchCommit: (request) => fetchCommit({ run, clock }, parse(request.url), request),
    async readCommit(folder, commit, signal) {
      if (!isCommitSha(commit)) {
        throw new Fault('invalid_input', 'A commit is named by its full object name.');
      }
      const inFolder: RunGit = (argv) =>
        run(argv, { cwd: folder, environment: { GIT_DIR: folder }, signal, timeoutMs: 10_000 });
      return await readCommit(inFolder, commit);
    },
    changedPaths,
  };
}

/** Patterns beyond this are not sent: listing everything is then cheaper than a long argv. */
const patternsMax = 200;

async function listHeads(
  run: RunGit,
  url: URL,
  options: ListHeadsOptions,
): Promise<ReadonlyMap<string, string>> {
  for (const branch of options.branches ?? []) {
    if (!isBranchName(branch)) {
      throw new Fault('invalid_input', `${JSON.stringify(branch)} is not a branch name.`);
    }
  }
  const wanted = options.branches === undefined ? undefined : new Set(options.branches);
  if (wanted?.size === 0) return new Map();
  const patterns =
    wanted === undefined || wanted.size > patternsMax
      ? ['refs/heads/*']
      : [...wanted].map((branch) => `refs/heads/${branch}`);
  const { stdout } = await run(['ls-remote', '--quiet', '--', url.href, ...patterns], {
    url,
    credentials: options.credentials,
    signal: options.signal,
    timeoutMs: options.timeoutMs ?? 30_000,
  });
  const heads = new Map<string, string>();
  for (const line of stdout.toString('utf8').split('\n')) {
    const [sha, ref] = line.split('\t');
    if (sha === undefined || !ref?.startsWith('refs/heads/')) continue;
    // ls-remote matches patterns at the end of a ref too: foo/refs/heads/main is not main.
    const branch = ref.slice('refs/heads/'.length);
    if (wanted === undefined || wanted.has(branch)) heads.set(branch, sha);
  }
  return heads;
}

const passed = [
  'PATH',
  'HTTP_PROXY',
  'HTTPS_PROXY',
  'ALL_PROXY',
  'NO_PROXY',
  'http_proxy',
  'https_proxy',
  'all_proxy',
  'no_proxy',
  'SSL_CERT_FILE',
  'SSL_CERT_DIR',
  'GIT_SSL_CAINFO',
  'GIT_EXEC_PATH',
  'SSH_AUTH_SOCK',
] as const;

/** The part of a process's environment that Git may see: where programs, proxies and CAs are. */
export function gitEnvironment(
  environment: Readonly<Record<string, string | undefined>>,
): Record<string, string> {
  const kept: Record<string, string> = {};
  for (const name of passed) {
    const value = environment[name];
    if (value !== undefined) kept[name] = value;
  }
  return kept;
}
