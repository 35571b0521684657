import type { Git } from '@pilotfish/git';
import { assert, type Fault, toFault } from '@pilotfish/kernel';
import type { ClaimedRepository, Store, TenantContext, WatchedBranch } from '@pilotfish/store';
import type { FindSourceAccess } from '../executions/source-access.ts';

export interface ReadHeadsDeps {
  readonly store: Store;
  readonly git: Pick<Git, 'listHeads'>;
  readonly sourceAccess: FindSourceAccess;
}

/** One way to a repository; services may write its address differently, or use other tokens. */
type Way = Pick<WatchedBranch, 'url' | 'gitTokenId'>;

/** Of those that differ only so many are tried: the others would fail in the same way. */
const waysMax = 3;

/**
 * Where the watched branches of a repository are, by one question to Git; a branch that is not there
 * is not in the map. A way that does not lead there (a token that was revoked) is no reason not to
 * try the next.
 *
 * @throws Fault of the first way, where none leads there
 */
export async function readHeads(
  { store, git, sourceAccess }: ReadHeadsDeps,
  context: TenantContext,
  { branches }: ClaimedRepository,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, string>> {
  const names = [...new Set(branches.map(({ branch }) => branch))];
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
