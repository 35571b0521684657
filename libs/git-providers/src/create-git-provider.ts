import { Fault, unreachable } from '@pilotfish/kernel';
import type { ApiClientDeps } from './api-client.ts';
import { createBitbucket } from './bitbucket.ts';
import { createGitea } from './gitea.ts';
import { createGitHub } from './github.ts';
import { createGitLab } from './gitlab.ts';
import type { GitProvider, GitProviderKind } from './provider.ts';

export interface GitProviderAccess {
  readonly kind: GitProviderKind;
  readonly apiUrl: string;
  /** Of Bitbucket also `name:token`, for those that belong to a user. */
  readonly token: string;
}

/**
 * The client of one provider with one token. Opens nothing: each call is a connection of its own.
 *
 * @throws Fault `invalid_input` where the address of the API is none
 */
export function createGitProvider(
  { kind, apiUrl, token }: GitProviderAccess,
  deps: Omit<ApiClientDeps, 'apiUrl'>,
): GitProvider {
  if (!isApiUrl(apiUrl)) {
    throw new Fault('invalid_input', 'The address of the provider’s API is not a URL.');
  }
  const clientDeps = { ...deps, apiUrl };
  switch (kind) {
    case 'GITHUB':
      return createGitHub(token, clientDeps);
    case 'GITLAB':
      return createGitLab(token, clientDeps);
    case 'BITBUCKET':
      return createBitbucket(token, clientDeps);
    case 'GITEA':
      return createGitea(token, clientDeps);
    default:
      return unreachable(kind);
  }
}

/** With a path and nothing after it: a query would swallow what is appended. */
function isApiUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, search, hash, username, password } = new URL(text);
  return ['https:', 'http:'].includes(protocol) && `${search}${hash}${username}${password}` === '';
}
