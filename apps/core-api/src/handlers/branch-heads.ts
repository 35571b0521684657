import { repositoryKey } from '@pilotfish/domain-deploy';
import { Fault, type ServiceId, toFault } from '@pilotfish/kernel';
import type { ServiceRow } from '@pilotfish/store';
import type { ApiDeps, TenantCall } from '../api/call.ts';
import type { Source, SourceAccess } from '../executions/source-access.ts';

/** How long one Git host may take to name its heads while a request waits. */
const headsMsMax = 10_000;

interface Repository {
  readonly source: Source;
  readonly branches: Set<string>;
  readonly services: ServiceRow[];
}

type ReadingCall = Pick<TenantCall<never>, 'read' | 'principal'>;

/**
 * The newest commit of each service's branch, asked of Git now. Outside of any transaction: a slow
 * Git host must not hold locks.
 *
 * @throws Fault `conflict` where a branch does not exist or a repository may not be read,
 * `unavailable` or `timeout` where its host does not answer
 */
export async function findBranchHeads(
  call: ReadingCall,
  deps: Pick<ApiDeps, 'git' | 'sourceAccess'>,
  services: readonly ServiceRow[],
): Promise<ReadonlyMap<ServiceId, string>> {
  const repositories = groupByRepository(services);
  const accesses = await call.read(async (tx) => {
    const found: (SourceAccess | undefined)[] = [];
    for (const { source } of repositories) {
      found.push(await deps.sourceAccess(tx, source, `user:${call.principal.id}`));
    }
    return found;
  });
  const heads = new Map<ServiceId, string>();
  await Promise.all(
    repositories.map(async (repository, index) => {
      const found = await listHeads(deps, repository, accesses[index]);
      for (const { id, spec } of repository.services) {
        const sha = found.get(spec.git.branch);
        if (sha === undefined) {
          const detail = `${repository.source.url} has no branch ${spec.git.branch}`;
          throw new Fault('conflict', detail);
        }
        heads.set(id, sha);
      }
    }),
  );
  return heads;
}

function groupByRepository(services: readonly ServiceRow[]): readonly Repository[] {
  const byKey = new Map<string, Repository>();
  for (const service of services) {
    const { url, gitTokenId = null, branch } = service.spec.git;
    // Each token by itself: one that may not read the repository fails the services that have it.
    const key = `${repositoryKey(url) ?? url} ${gitTokenId}`;
    const source = { url, gitTokenId };
    const known = byKey.get(key) ?? { source, branches: new Set(), services: [] };
    known.branches.add(branch);
    known.services.push(service);
    byKey.set(key, known);
  }
  return [...byKey.values()];
}

async function listHeads(
  { git }: Pick<ApiDeps, 'git'>,
  { source, branches }: Repository,
  credentials: SourceAccess | undefined,
): Promise<ReadonlyMap<string, string>> {
  try {
    return await git.listHeads(source.url, {
      credentials,
      branches: [...branches],
      timeoutMs: headsMsMax,
    });
  } catch (error) {
    const fault = toFault(error);
    if (fault.retryable || fault.code === 'internal') throw fault;
    // Its own code would speak of the environment: a 404 there means something else.
    throw new Fault('conflict', fault.detail, { cause: error });
  }
}
