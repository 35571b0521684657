import { createHash } from 'node:crypto';
import { isGitAccess, verifyGitAccess } from '@pilotfish/crypto';
import { type Clock, Fault, type FaultCode, isUuid, toFault } from '@pilotfish/kernel';
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
    const { password, organizationId, name, operation } = request;
    if (password === undefined || password === '') {
      throw new Fault('unauthenticated', 'Give an API token as the password.');
    }
    if (!isUuid(organizationId) || !isRepositoryName(name)) {
      throw new Fault('not_found', 'The address of a repository is /{organization}/{name}.git.');
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
    const answer = await askCoreApi(deps, request, password);
    if (answer.organization_id !== organizationId || answer.name !== name) {
      throw new Fault('not_found', noRepository(name));
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

function noRepository(name: string): string {
  return `There is no repository "${name}" here that this token may see.`;
}

/** core-api speaks of API calls; whoever pushes reads what it means for Git. */
async function askCoreApi(
  { coreApi }: AccessDeps,
  { organizationId, name, operation, trace }: AccessRequest,
  token: string,
) {
  try {
    return await coreApi.access({ organizationId, name, operation, token, trace });
  } catch (error) {
    const fault = toFault(error);
    const verb = operation === 'write' ? 'push to' : 'read';
    const words: Partial<Record<FaultCode, string>> = {
      unauthenticated: 'This API token is not valid (any more): give another one as the password.',
      forbidden: `This API token may not ${verb} "${name}".`,
      not_found: noRepository(name),
    };
    throw new Fault(fault.code, words[fault.code] ?? fault.detail, { cause: error });
  }
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
  // Its token proves that core-api knows the repository; the first push makes the folder.
  if (repository === null) {
    throw new Fault('not_found', 'Nothing was pushed to this repository yet.');
  }
  if (repository.repositoryId !== access.repositoryId) {
    throw new Fault('not_found', 'This token is for another repository.');
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
