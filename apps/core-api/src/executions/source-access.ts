import { issueGitAccess } from '@pilotfish/crypto';
import type { Clock } from '@pilotfish/kernel';
import { type TenantTransaction, tables } from '@pilotfish/store';
import { and, eq, isNull } from 'drizzle-orm';
import type { SourceAccess } from './build-task.ts';

export interface SourceAccessDeps {
  readonly clock: Clock;
  /** Where the built-in git-server is reached, e.g. `http://127.0.0.1:4004`. */
  readonly gitServerUrl: string;
  /** The derived key of git access tokens. */
  readonly gitServerKey: Uint8Array;
}

/** A task may wait for its engine, and a build may be slow. */
const lifeHours = 24;

/**
 * How to fetch a repository: the built-in git-server's get a short-lived token for this repository,
 * all others are fetched as the public does.
 */
export function createSourceAccess({ clock, gitServerUrl, gitServerKey }: SourceAccessDeps) {
  const base = new URL(gitServerUrl);
  return async function sourceAccess(
    tx: TenantTransaction,
    repositoryUrl: string,
    principal: string,
  ): Promise<SourceAccess | undefined> {
    const name = hostedName(base, repositoryUrl, tx.organizationId);
    if (name === null) return undefined;
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

/** The repository's name where the URL is one of the organization's on the built-in git-server. */
function hostedName(base: URL, repositoryUrl: string, organizationId: string): string | null {
  if (!URL.canParse(repositoryUrl)) return null;
  const url = new URL(repositoryUrl);
  if (url.host !== base.host || url.protocol !== base.protocol) return null;
  const [owner, file, ...rest] = url.pathname.split('/').filter((part) => part !== '');
  if (owner !== organizationId || file === undefined || rest.length > 0) return null;
  return decodeURIComponent(file).replace(/\.git$/, '');
}
