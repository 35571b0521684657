import type { KeyEncryption } from '@pilotfish/crypto';
import { apiLogin, providerKind } from '@pilotfish/domain-deploy';
import { createGitProvider, type GitProvider } from '@pilotfish/git-providers';
import type { Clock } from '@pilotfish/kernel';
import type { AddressGuard } from '@pilotfish/runtime';
import type { GitTokenRow } from '@pilotfish/store';
import { openGitToken } from './git-token-text.ts';

export interface GitProviderDeps {
  readonly keys: KeyEncryption;
  readonly clock: Clock;
  /** Which addresses may be called: the API's is what a user wrote. */
  readonly guard: AddressGuard;
}

/** The provider of a Git token, spoken to with that token. Calls nothing yet. */
export type OpenGitProvider = (token: GitTokenRow) => Promise<GitProvider>;

export function createGitProviderOpener({ keys, clock, guard }: GitProviderDeps): OpenGitProvider {
  return async (row) => {
    const login = apiLogin(row, await openGitToken(keys, row));
    const access = { kind: providerKind(row), apiUrl: row.apiUrl, ...login };
    return createGitProvider(access, { guard, clock });
  };
}
