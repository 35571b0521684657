import type { EnvironmentId, ServiceId } from '@pilotfish/kernel';

/** A service that is built from Git, as the decision needs it. */
export interface WatchingService {
  readonly serviceId: ServiceId;
  readonly environmentId: EnvironmentId;
  readonly name: string;
  /** Key of its repository (see `repositoryKey`). */
  readonly repositoryKey: string;
  readonly branch: string;
  /** `/` for the whole repository. */
  readonly rootPath: string;
  readonly autoDeploy: boolean;
  /** Its deletion was asked for: no push brings it back. */
  readonly isUnwanted: boolean;
  readonly pathFilters: readonly PathFilter[];
  /** The commit that was last asked to be deployed; null where none ever was. */
  readonly lastRequestedSha: string | null;
}

/** Paths relative to the repository's root; `path` is a folder or a file. */
export interface PathFilter {
  readonly mode: 'MATCH' | 'EXCLUDE';
  readonly path: string;
}

/** The head of a branch as Git itself told it. */
export interface BranchHead {
  readonly repositoryKey: string;
  readonly branch: string;
  readonly headSha: string;
}

/** Why one service does or does not follow a branch's new head. */
export type ServiceMatch =
  | { readonly kind: 'deploy'; readonly service: WatchingService }
  | {
      readonly kind: 'skip';
      readonly service: WatchingService;
      readonly reason: 'to_be_deleted' | 'auto_deploy_off' | 'same_commit' | 'other_paths';
    };

/**
 * Which of an organization's services a branch's head concerns. Services of other repositories and
 * branches do not appear in the answer.
 *
 * @param changedPaths per service, the paths that differ from what it deployed last; null where
 * that cannot be told (first deployment, history rewritten), which deploys rather than guesses
 */
export function matchServices(
  services: readonly WatchingService[],
  head: BranchHead,
  changedPaths: (service: WatchingService) => readonly string[] | null,
): readonly ServiceMatch[] {
  return services
    .filter((s) => s.repositoryKey === head.repositoryKey && s.branch === head.branch)
    .map((service) => {
      if (service.isUnwanted) return { kind: 'skip', service, reason: 'to_be_deleted' };
      if (!service.autoDeploy) return { kind: 'skip', service, reason: 'auto_deploy_off' };
      if (service.lastRequestedSha === head.headSha) {
        return { kind: 'skip', service, reason: 'same_commit' };
      }
      const changed = changedPaths(service);
      if (changed !== null && !concerns(service, changed)) {
        return { kind: 'skip', service, reason: 'other_paths' };
      }
      return { kind: 'deploy', service };
    });
}

/** True where the decision depends on which paths changed, so that asking Git is worth it. */
export function needsChangedPaths(service: WatchingService): boolean {
  return folder(service.rootPath) !== '' || service.pathFilters.length > 0;
}

function concerns(service: WatchingService, changed: readonly string[]): boolean {
  const excluded = service.pathFilters.filter((f) => f.mode === 'EXCLUDE');
  const matching = service.pathFilters.filter((f) => f.mode === 'MATCH');
  return changed.some((path) => {
    if (excluded.some((filter) => isBelow(path, filter.path))) return false;
    if (matching.length > 0) return matching.some((filter) => isBelow(path, filter.path));
    return isBelow(path, service.rootPath);
  });
}

function isBelow(path: string, parent: string): boolean {
  const root = folder(parent);
  return root === '' || path === root || path.startsWith(`${root}/`);
}

function folder(path: string): string {
  return path.replace(/^\.?\/+|\/+$/g, '').replace(/^\.$/, '');
}
