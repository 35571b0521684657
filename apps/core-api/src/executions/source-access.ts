import { issueGitAccess, type KeyRing } from '@pilotfish/crypto';
import { coversRepository, gitLogin } from '@pilotfish/domain-deploy';
import type { Clock, GitTokenId } from '@pilotfish/kernel';
import { findGitToken, type TenantTransaction, tables } from '@pilotfish/store';
import { and, eq, isNull } from 'drizzle-orm';
import { openGitToken } from '../git-tokens/git-token-text.ts';
import { keyPurposes } from '../identity.ts';

export interface SourceAccessDeps {
  readonly clock: Clock;
  readonly keys: KeyRing;
  /** Where the built-in git-server is reached, e.g. `http://127.0.0.1:4004`. */
  readonly gitServerUrl: string;
}

/** Which repository, and with which token of the organization it is to be read. */
export interface Source {
  readonly url: string;
  readonly gitTokenId?: GitTokenId | null | undefined;
}

/** User name and password for fetching a repository; undefined where none is needed. */
export interface SourceAccess {
  readonly username: string;
  readonly password: string;
}

/** A task may wait for its engine, and a build may be slow. */
const lifeHours = 24;

/**
 * How to fetch a repository: the built-in git-server's get a short-lived token for this repository,
 * one with a Git token is fetched with that, and all others as the public does.
 */
export function createSourceAccess({ clock, keys, gitServerUrl }: SourceAccessDeps) {
  const base = new URL(gitServerUrl);
  const gitServerKey = keys.derive(keyPurposes.gitServer);
  return async function sourceAccess(
    tx: TenantTransaction,
    source: Source,
    principal: string,
  ): Promise<SourceAccess | undefined> {
    const name = hostedName(base, source.url, tx.organizationId);
    if (name === null) return await tokenAccess(tx, keys, source);
    const [repository] = await tx.db
      .select({ id: tables.repositories.id })
      .from(tables.repositories)
      .where(
        and(
          eq(tables.repositories.organizationId, tx.organizationId),
          eq(tables.repositories.name, name),
          isNull(tables.repositories.deletedAt),
        ),
      );
    if (repository === undefined) return undefined;
    const expiresAt = clock.now().add({ hours: lifeHours });
    const password = issueGitAccess(gitServerKey, {
      repositoryId: repository.id,
      scope: 'read',
      principal,
      expiresAt,
    });
    return { username: 'pilotfish', password };
  };
}

export type FindSourceAccess = ReturnType<typeof createSourceAccess>;

/**
 * The token as it is now, also for an older release: a token that was replaced is not valid any
 * more. One that does not cover the repository is not shown to its host, whatever the spec says.
 */
async function tokenAccess(
  tx: TenantTransaction,
  keys: KeyRing,
  { url, gitTokenId }: Source,
): Promise<SourceAccess | undefined> {
  if (gitTokenId === null || gitTokenId === undefined) return undefined;
  const found = await findGitToken(tx, gitTokenId);
  if (found === null || !coversRepository(found.token, url)) return undefined;
  return gitLogin(found.token, await openGitToken(keys, found.token));
}

/** The repository's name where the URL is one of the organization's on the built-in git-server. */
export function hostedName(
  base: URL,
  repositoryUrl: string,
  organizationId: string,
): string | null {
  if (!URL.canParse(repositoryUrl)) return null;
  const url = new URL(repositoryUrl);
  if (url.host !== base.host || url.protocol !== base.protocol) return null;
  const [owner, file, ...rest] = url.pathname.split('/').filter((part) => part !== '');
  if (owner !== organizationId || file === undefined || rest.length > 0) return null;
  return decodeURIComponent(file).replace(/\.git$/, '');
}
