import type { CommitInfo } from '@pilotfish/contracts';
import {
  type EnqueueDecision,
  type ExecutionAction,
  isBeingDeleted,
  isFinalProgress,
} from '@pilotfish/domain-deploy';
import { Fault, type ReleaseId, type ServiceId } from '@pilotfish/kernel';
import {
  type ExecutionRow,
  type ExecutionServiceRow,
  listExecutionServices,
  type ServiceRow,
  type TenantTransaction,
} from '@pilotfish/store';

/** What to do with one service. */
export interface RequestedService {
  readonly serviceId: ServiceId;
  /** Default: the execution's action. */
  readonly action?: ExecutionAction;
  /** For DEPLOY; default: the commit of its current release, with today's configuration. */
  readonly commitSha?: string;
  /** What is known of that commit; else what an earlier release of it knew. */
  readonly commit?: CommitInfo;
  /** Runs this release again exactly as it was, in place of making a new one (rollback). */
  readonly releaseId?: ReleaseId;
}

interface Wish {
  readonly action: ExecutionAction;
  readonly services: readonly RequestedService[] | 'all';
  readonly commits?: ReadonlyMap<ServiceId, string>;
}

/** A service as the new execution is to treat it. */
type AskedService = RequestedService & { readonly action: ExecutionAction };

/**
 * The services that a request names, with what is to happen to each. What is being deleted is left
 * out: a deployment behind its deletion would bring it back.
 *
 * @param existing those of the environment that are not deleted
 * @throws Fault `not_found` for a service that is not among them
 */
export function requestedServices(
  { action: common, services, commits }: Wish,
  existing: readonly ServiceRow[],
): Map<ServiceId, AskedService> {
  const states = new Map(existing.map(({ id, state }) => [id, state]));
  const asked: readonly RequestedService[] =
    services === 'all'
      ? existing.map(({ id }) => {
          const commitSha = commits?.get(id);
          return { serviceId: id, ...(commitSha === undefined ? {} : { commitSha }) };
        })
      : services;
  const wanted = new Map<ServiceId, AskedService>();
  for (const one of asked) {
    const state = states.get(one.serviceId);
    if (state === undefined) throw new Fault('not_found', 'There is no such service');
    const action = one.action ?? common;
    // By name, somebody may go back on a deletion that failed.
    const revives = services === 'all' && action !== 'STOP' && state === 'DELETE_ERROR';
    if (action !== 'DELETE' && (isBeingDeleted(state) || revives)) continue;
    wanted.set(one.serviceId, { ...one, action });
  }
  return wanted;
}

/**
 * What others were to do and the newcomer does in their place, newest first: all of those that it
 * absorbs, and what is not done yet of the one that it cancels.
 */
export async function takenOver(
  tx: TenantTransaction,
  { absorb, cancel }: Extract<EnqueueDecision, { kind: 'accepted' }>,
  open: readonly ExecutionRow[],
): Promise<readonly ExecutionServiceRow[]> {
  const ids = cancel === null ? absorb : [...absorb, cancel];
  const generations = new Map(open.map(({ id, generation }) => [id, generation]));
  const age = ({ executionId }: ExecutionServiceRow) => generations.get(executionId) ?? 0;
  const parts = await listExecutionServices(tx, ids);
  return parts.filter(({ progress }) => !isFinalProgress(progress)).sort((a, b) => age(b) - age(a));
}

/** Adds what was taken over and the newcomer does not name itself, so that no push is lost. */
export function joinTaken(
  wanted: ReadonlyMap<ServiceId, AskedService>,
  taken: readonly ExecutionServiceRow[],
  existing: readonly ServiceRow[],
): Map<ServiceId, AskedService> {
  const joined = new Map(wanted);
  const alive = new Set(existing.map(({ id }) => id));
  for (const { serviceId, action, releaseId } of taken) {
    if (joined.has(serviceId) || !alive.has(serviceId)) continue;
    joined.set(serviceId, { serviceId, action, ...(releaseId === null ? {} : { releaseId }) });
  }
  return joined;
}
