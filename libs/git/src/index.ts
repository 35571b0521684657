export type { ChangedPaths, ChangedPathsRequest } from './changed-paths.ts';
export type { CommitInfo, FetchCommitRequest } from './fetch-commit.ts';
export {
  createGit,
  type Git,
  type GitDeps,
  gitEnvironment,
  type ListHeadsOptions,
  remoteProtocols,
} from './git.ts';
export type { GitResult, GitRunOptions, RunGit } from './run.ts';
export { type GitCredentials, isBranchName, isCommitSha, parseGitUrl } from './url.ts';
