import type { KeyRing } from '@pilotfish/crypto';
import { type GitProvider, locateRepository } from '@pilotfish/git-providers';
import { type Clock, Fault } from '@pilotfish/kernel';
import type { Store } from '@pilotfish/store';
import type { OpenGitProvider } from '../git-tokens/open-git-provider.ts';

export interface RegistrationDeps {
  readonly store: Store;
  readonly clock: Clock;
  readonly keys: KeyRing;
  readonly openGitProvider: OpenGitProvider;
  /** Where providers reach the webhook-gateway, without a slash at the end. */
  readonly webhooksUrl: string;
}

/** How a claim ended; `moved`: look again; `lost`: somebody else has it by now. */
export type Kept =
  | { readonly kind: 'kept' | 'made' | 'mended' | 'removed' | 'moved' | 'lost' }
  | { readonly kind: 'failed'; readonly fault: Fault };

/** What a provider is asked to send. */
export const hookEvents = ['push'] as const;

/** The repository's path at its provider. @throws Fault `invalid_input` where it is not there */
export function pathAt(provider: GitProvider, apiUrl: string, repositoryUrl: string): string {
  const path = locateRepository(provider.kind, apiUrl, repositoryUrl);
  if (path !== null) return path;
  throw new Fault('invalid_input', `${repositoryUrl} is no repository of ${apiUrl}`);
}
