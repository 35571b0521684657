import { coversRepository } from '@pilotfish/domain-deploy';
import type { Git } from '@pilotfish/git';
import { locateRepository, RateLimited } from '@pilotfish/git-providers';
import { assert, type Clock, type Fault, toFault } from '@pilotfish/kernel';
import {
  type BranchHeadRow,
  type ClaimedRepository,
  findGitToken,
  type GitTokenRow,
  listBranchHeads,
  pauseGitToken,
  type Store,
  type TenantContext,
  type WatchedBranch,
} from '@pilotfish/store';
import type { FindSourceAccess } from '../executions/source-access.ts';
import type { OpenGitProvider } from '../git-tokens/open-git-provider.ts';

export interface ReadHeadsDeps {
  readonly store: Store;
  readonly clock: Clock;
  readonly git: Pick<Git, 'listHeads'>;
  readonly sourceAccess: FindSourceAccess;
  readonly openGitProvider: OpenGitProvider;
}

export interface HeadsLook {
  /** By branch; one that is not there is not in the map. */
  readonly heads: ReadonlyMap<string, string>;
  /** For the next look; null where Git itself has to be asked then. */
  readonly etag: string | null;
}

/** One way to a repository; services may write its address differently, or use other tokens. */
type Way = Pick<WatchedBranch, 'url' | 'gitTokenId'>;

/** Of those that differ only so many are tried: the others would fail in the same way. */
const waysMax = 3;

/**
 * Where the watched branches of a repository are. A provider whose API answers conditionally is asked
 * first whether anything changed since the last look, which costs it and us next to nothing; where
 * it did, and wherever there is no such API, one question to Git tells of all branches.
 *
 * @throws Fault of the first way to the repository, where none leads there
 */
export async function readHeads(
  deps: ReadHeadsDeps,
  context: TenantContext,
  claimed: ClaimedRepository,
  signal: AbortSignal,
): Promise<HeadsLook> {
  const names = [...new Set(claimed.branches.map(({ branch }) => branch))];
  const rows = await deps.store.tenant(context, (tx) =>
    listBranchHeads(tx, claimed.row.repositoryKey),
  );
  const known = new Map(rows.map((row) => [row.branch, row]));
  const isKnown = names.every((name) => known.has(name));
  const answer = await askProvider(deps, context, claimed, isKnown, signal);
  if (answer.isUnchanged) return { heads: storedHeads(known), etag: claimed.row.etag };
  return { heads: await askGit(deps, context, claimed, names, signal), etag: answer.etag };
}

/** As they were at the last look, or acted on since. */
function storedHeads(known: ReadonlyMap<string, BranchHeadRow>): ReadonlyMap<string, string> {
  const heads = new Map<string, string>();
  for (const [branch, { headSha }] of known) if (headSha !== null) heads.set(branch, headSha);
  return heads;
}

type ProviderAnswer =
  | { readonly isUnchanged: true }
  | { readonly isUnchanged: false; readonly etag: string | null };

const askGitItself: ProviderAnswer = { isUnchanged: false, etag: null };

/**
 * Whether anything changed, by the first token that has an API to ask; else the ETag for the next
 * question. What the API says of heads is not used: it may lag behind what Git serves.
 *
 * @param isKnown false where a branch was never looked at, so that `unchanged` would say nothing
 */
async function askProvider(
  deps: ReadHeadsDeps,
  context: TenantContext,
  { row, branches }: ClaimedRepository,
  isKnown: boolean,
  signal: AbortSignal,
): Promise<ProviderAnswer> {
  const way = branches.find(({ gitTokenId }) => gitTokenId !== null);
  const token = way === undefined ? null : await findToken(deps, context, way);
  if (way === undefined || token === null) return askGitItself;
  const provider = await deps.openGitProvider(token);
  const path = locateRepository(provider.kind, token.apiUrl, way.url);
  if (provider.heads === null || path === null) return askGitItself;
  try {
    const answer = await provider.heads.read(path, isKnown ? row.etag : null, { signal });
    if (answer.kind === 'unchanged') return { isUnchanged: true };
    return { isUnchanged: false, etag: answer.kind === 'read' ? answer.etag : null };
  } catch (thrown) {
    signal.throwIfAborted();
    if (thrown instanceof RateLimited) {
      const { retryAt } = thrown;
      await deps.store.tenant(context, (tx) => pauseGitToken(tx, token.id, retryAt));
    }
    // Git has a way of its own, and other limits.
    return askGitItself;
  }
}

async function findToken(
  { store, clock }: ReadHeadsDeps,
  context: TenantContext,
  { url, gitTokenId }: Way,
): Promise<GitTokenRow | null> {
  if (gitTokenId === null) return null;
  const found = await store.tenant(context, (tx) => findGitToken(tx, gitTokenId));
  if (found === null || !coversRepository(found.token, url)) return null;
  const { pausedUntil } = found.token;
  const isPaused = pausedUntil !== null && Temporal.Instant.compare(pausedUntil, clock.now()) > 0;
  return isPaused ? null : found.token;
}

/** A way that does not lead there (a token that was revoked) is no reason not to try the next. */
async function askGit(
  { store, git, sourceAccess }: ReadHeadsDeps,
  context: TenantContext,
  { branches }: ClaimedRepository,
  names: readonly string[],
  signal: AbortSignal,
): Promise<ReadonlyMap<string, string>> {
  let first: Fault | undefined;
  for (const way of waysOf(branches)) {
    try {
      const credentials = await store.tenant(context, (tx) => sourceAccess(tx, way, 'reconciler'));
      return await git.listHeads(way.url, { branches: names, credentials, signal });
    } catch (thrown) {
      signal.throwIfAborted();
      const fault = toFault(thrown);
      first ??= fault;
      // Another address of a host that does not answer is no help.
      if (fault.retryable) break;
    }
  }
  assert(first, 'a watched repository has no branches');
  throw first;
}

function waysOf(branches: readonly WatchedBranch[]): readonly Way[] {
  const ways = new Map(branches.map((way) => [`${way.gitTokenId} ${way.url}`, way]));
  return [...ways.values()].slice(0, waysMax);
}
