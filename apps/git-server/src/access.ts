import { createHash } from 'node:crypto';
import { isGitAccess, verifyGitAccess } from '@pilotfish/crypto';
import { type Clock, Fault, isUuid } from '@pilotfish/kernel';
import type { CoreApi } from './core-api.ts';
import type { Repositories, Repository } from './repositories.ts';

/** What a Git client asked for, as its URL and its password say. */
export interface AccessRequest {
  readonly organizationId: string;
  readonly name: string;
  readonly operation: 'read' | 'write';
  /** The password of the basic authentication; undefined where there was none. */
  readonly password: string | undefined;
  readonly trace: string;
}

export interface Access {
  readonly repository: Repository;
  /** Shown in the reflog, the log and the delivery. */
  readonly pusher: string;
  /** The API token of the client; null for a short-lived git access token, which opens no API. */
  readonly token: string | null;
}

export interface AccessDeps {
  readonly coreApi: CoreApi;
  readonly repositories: Repositories;
  /** Verifies git access tokens without asking anybody. */
  readonly key: Uint8Array;
  readonly clock: Clock;
}

/** How long an answer of core-api is believed; a revoked token works at most this much longer. */
const cacheMs = 10_000;
const cacheEntriesMax = 2000;

const namePattern = /^[a-z0-9][a-z0-9._-]{0,99}$/;

/** True for a name that may be a folder below an organization's. */
function isRepositoryName(name: string): boolean {
  return namePattern.test(name) && !name.endsWith('.git') && !name.includes('..');
}

/**
 * Who may do what. Answers with the repository, made on the first authorised access; throws a
 * Fault: `unauthenticated` (ask for a password), `forbidden`, `not_found` (also for another
 * organization's), `unavailable`.
 */
export function createAccess(deps: AccessDeps): (request: AccessRequest) => Promise<Access> {
  const cache = createCache(deps.clock);
  return async (request) => {
    const { password, organizationId, name, operation, trace } = request;
    if (password === undefined || password === '') {
      throw new Fault('unauthenticated', 'Give an API token as the password.');
    }
    if (!isUuid(organizationId) || !isRepositoryName(name)) {
      throw new Fault('not_found', 'There is no such repository.');
    }
    if (isGitAccess(password)) return withGitAccess(deps, request, password);
    if (!password.startsWith('qov_') || password.length > 200) {
      throw new Fault('unauthenticated', 'The password is not an API token (qov_…).');
    }
    const key = createHash('sha256')
      .update([organizationId, name, operation, password].join('\0'))
      .digest('base64');
    const known = cache.get(key);
    if (known) return { ...known, token: password };
    const answer = await deps.coreApi.access({
      organizationId,
      name,
      operation,
      token: password,
      trace,
    });
    if (answer.organization_id !== organizationId || answer.name !== name) {
      throw new Fault('not_found', 'There is no such repository.');
    }
    const repository = await deps.repositories.open({
      repositoryId: answer.repository_id,
      organizationId,
      name,
      hookId: answer.incoming_webhook_id,
      defaultBranch: answer.default_branch,
    });
    const granted = { repository, pusher: answer.principal.name };
    cache.set(key, granted);
    return { ...granted, token: password };
  };
}

/** Used by engines and core-api: works while core-api is away, for repositories that exist. */
async function withGitAccess(
  deps: AccessDeps,
  request: AccessRequest,
  token: string,
): Promise<Access> {
  const access = verifyGitAccess(deps.key, token, deps.clock.now());
  if (request.operation === 'write' && access.scope !== 'write') {
    throw new Fault('forbidden', 'This token may only read.');
  }
  const repository = await deps.repositories.find(request.organizationId, request.name);
  if (repository === null || repository.repositoryId !== access.repositoryId) {
    throw new Fault('not_found', 'There is no such repository, or nothing was pushed to it yet.');
  }
  return { repository, pusher: access.principal, token: null };
}

type Granted = Omit<Access, 'token'>;

function createCache(clock: Clock) {
  const entries = new Map<string, { readonly granted: Granted; readonly untilMs: number }>();
  return {
    get(key: string): Granted | null {
      const entry = entries.get(key);
      if (entry && entry.untilMs > clock.monotonicMs()) return entry.granted;
      entries.delete(key);
      return null;
    },
    set(key: string, granted: Granted) {
      entries.set(key, { granted, untilMs: clock.monotonicMs() + cacheMs });
      // In order of insertion, so the first one is the oldest.
      const [oldest] = entries.keys();
      if (entries.size > cacheEntriesMax && oldest !== undefined) entries.delete(oldest);
    },
  };
}
