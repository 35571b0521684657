import { hashToken } from '@pilotfish/crypto';
import type { Credentials, Principal } from '@pilotfish/http';
import { type Clock, Fault } from '@pilotfish/kernel';
import { findCaller, type Store } from '@pilotfish/store';

/** `Token qov_…` for API tokens, `Bearer …` for sessions; either header takes either. */
const pattern = /^(?:token|bearer) +(\S{1,500})$/i;

/**
 * Finds out who makes a request. Asked anew for each one, so that a revoked token opens nothing
 * from its commit on.
 *
 * @throws Fault `unauthenticated`, the same for a token that is missing, unknown, expired or revoked
 */
export function createAuthenticator(deps: { readonly store: Store; readonly clock: Clock }) {
  return async ({ authorization }: Credentials): Promise<Principal> => {
    const token = pattern.exec(authorization ?? '')?.[1];
    const caller =
      token === undefined
        ? null
        : await deps.store.system('authenticator', (tx) =>
            findCaller(tx, hashToken(token), deps.clock.now()),
          );
    if (caller === null) {
      const detail = 'Send a valid API token: Authorization: Token qov_…';
      throw new Fault('unauthenticated', detail);
    }
    const { principalId, kind, name, memberships } = caller;
    return { id: principalId, kind, name, memberships };
  };
}
