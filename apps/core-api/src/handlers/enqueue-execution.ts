import {
  decideEnqueue,
  type ExecutionAction,
  type ExecutionOrigin,
  environmentState,
  type OpenExecution,
  serviceState,
} from '@pilotfish/domain-deploy';
import {
  type DeliveryId,
  type EnvironmentId,
  type ExecutionId,
  Fault,
  newId,
  type ServiceId,
} from '@pilotfish/kernel';
import { newTraceparent } from '@pilotfish/runtime';
import {
  appendAudit,
  type EnvironmentRow,
  type ExecutionRow,
  type ExecutionServiceRow,
  endPendingReleases,
  endUnstartedParts,
  insertExecution,
  listOpenExecutions,
  listServicesByStage,
  lockEnvironment,
  readEpoch,
  type TenantTransaction,
  tables,
  updateExecution,
} from '@pilotfish/store';
import { eq } from 'drizzle-orm';
import { choosePart, type ExecutionPart } from '../executions/choose-part.ts';
import {
  joinTaken,
  type RequestedService,
  requestedServices,
  takenOver,
} from '../executions/choose-services.ts';
import { isHandedOut, releaseNext } from '../executions/release-next.ts';

export interface ExecutionRequest {
  readonly environmentId: EnvironmentId;
  readonly action: ExecutionAction;
  /** `all`: every service of the environment, each at the commit given for it, if any. */
  readonly services: readonly RequestedService[] | 'all';
  /** With `all`: commits to deploy, by service. */
  readonly commits?: ReadonlyMap<ServiceId, string>;
  readonly origin: ExecutionOrigin;
  /** The public API's word for where it came from: API, CLI, CONSOLE, GIT … */
  readonly clientOrigin: string;
  readonly deliveryId?: DeliveryId;
}

/** Refused is an expected outcome (policy `forbid`, something being deleted), not a fault. */
export type EnqueueOutcome =
  | { readonly kind: 'refused'; readonly reason: string }
  | {
      readonly kind: 'accepted';
      readonly executionId: ExecutionId;
      readonly generation: number;
      /** Ring `outbox.written` after the commit. */
      readonly released: boolean;
      /** Tell the engine after the commit, if it can be reached: policy `replace`. */
      readonly canceling: ExecutionId | null;
    };

/**
 * Queues one execution: the request, its releases, the environment's new generation, the `*_QUEUED`
 * states and the audit event are one transaction under the environment's lock. The outbox row is
 * part of it only where the environment is free; else it follows when the one before has ended.
 *
 * @throws Fault `not_found` for a service that is not in the environment, `conflict` where a
 * service has no commit to deploy, or nothing to restart
 */
export async function enqueueExecution(
  tx: TenantTransaction,
  now: Temporal.Instant,
  request: ExecutionRequest,
): Promise<EnqueueOutcome> {
  const environment = await lockEnvironment(tx, request.environmentId);
  const open = await listOpenExecutions(tx, environment.id);
  const decision = decideEnqueue(environment.queuePolicy, request, open.map(describeOpen));
  if (decision.kind === 'refused') return decision;

  const inStages = await listServicesByStage(tx, environment.id);
  const taken = await takenOver(tx, decision, open);
  const services = inStages.map(({ service }) => service);
  const requested = requestedServices(request, services);
  if (requested.size === 0 && request.services !== 'all') {
    return { kind: 'refused', reason: 'It is being deleted.' };
  }
  const wanted = joinTaken(requested, taken, services);
  const execution = await newExecution(tx, environment, request, now);
  const parts: ExecutionPart[] = [];
  for (const { service, stage } of inStages) {
    const asked = wanted.get(service.id);
    if (asked === undefined) continue;
    parts.push(await choosePart(tx, { environment, execution, service, stage, asked, now }));
  }
  if (parts.length === 0 && request.services !== 'all') {
    throw new Fault('not_found', 'The environment has none of these services');
  }
  await supersede(tx, now, decision.absorb, open, execution, taken, parts);
  const saved = await saveExecution(tx, execution, parts);
  await showQueued(tx, now, environment, saved, parts);
  const canceling = await requestReplacement(tx, now, decision.cancel, saved, parts);
  await appendAudit(tx, now, {
    action: 'execution.requested',
    targetKind: 'environment',
    targetId: environment.id,
    detail: {
      executionId: saved.id,
      action: request.action,
      generation: saved.generation,
      services: parts.map((part) => part.serviceId),
    },
  });
  const releasedId = await releaseNext(tx, now, { ...environment, generation: saved.generation });
  return {
    kind: 'accepted',
    executionId: saved.id,
    generation: saved.generation,
    released: releasedId !== null,
    canceling,
  };
}

type NewExecution = Parameters<typeof insertExecution>[1];

function describeOpen(execution: ExecutionRow): OpenExecution {
  // Deleting one service leaves the environment open for more; deleting the environment does not.
  const isPartial = execution.action === 'DELETE' && !execution.wholeEnvironment;
  const action = isPartial ? 'STOP' : execution.action;
  const phase =
    execution.status === 'CANCELING' ? 'canceling' : isHandedOut(execution) ? 'released' : 'queued';
  return { executionId: execution.id, action, origin: execution.origin, phase };
}

async function newExecution(
  tx: TenantTransaction,
  environment: EnvironmentRow,
  request: ExecutionRequest,
  now: Temporal.Instant,
): Promise<NewExecution> {
  const isWish = request.action === 'DELETE' && request.origin === 'API';
  return {
    id: newId<ExecutionId>(),
    projectId: environment.projectId,
    environmentId: environment.id,
    clusterId: environment.clusterId,
    generation: environment.generation + 1,
    action: request.action,
    status: 'QUEUED',
    origin: request.origin,
    clientOrigin: request.clientOrigin,
    triggeredBy: tx.context.actor.principalId,
    triggeredByName: tx.context.actor.name,
    deliveryId: request.deliveryId ?? null,
    trace: tx.context.trace ?? newTraceparent(),
    wholeEnvironment: request.services === 'all',
    confirmedEpoch: isWish ? await readEpoch(tx) : null,
    queuedAt: now,
  };
}

async function supersede(
  tx: TenantTransaction,
  now: Temporal.Instant,
  absorb: readonly ExecutionId[],
  open: readonly ExecutionRow[],
  by: NewExecution,
  taken: readonly ExecutionServiceRow[],
  parts: readonly ExecutionPart[],
): Promise<void> {
  for (const id of absorb) {
    const execution = open.find((one) => one.id === id);
    if (execution === undefined) continue;
    await updateExecution(tx, id, {
      status: 'SUPERSEDED',
      supersededBy: by.id,
      endedAt: now,
      explanation: `Never started: ${describeNewer(by, parts)} stands for it.`,
    });
    await endUnstartedParts(tx, id, now);
  }
  // Those whose release joined the newcomer keep it; the others' will never run.
  const kept = new Set(parts.map((part) => part.releaseId));
  const dropped = taken.flatMap(({ executionId, releaseId }) =>
    releaseId === null || kept.has(releaseId) || !absorb.includes(executionId) ? [] : [releaseId],
  );
  await endPendingReleases(tx, dropped, 'CANCELED');
}

async function saveExecution(
  tx: TenantTransaction,
  execution: NewExecution,
  parts: readonly ExecutionPart[],
): Promise<ExecutionRow> {
  const stages = new Map(parts.map(({ stage }) => [stage.id, stage]));
  return await insertExecution(
    tx,
    execution,
    [...stages.values()].map(({ id, name, position }) => ({ stageId: id, name, position })),
    parts.map(({ serviceId, stage, action, releaseId, commitSha }) => ({
      serviceId,
      stageId: stage.id,
      action,
      releaseId,
      commitSha,
      progress: 'QUEUED' as const,
    })),
  );
}

/** What should be, and the states that a watcher sees before this call has returned. */
async function showQueued(
  tx: TenantTransaction,
  now: Temporal.Instant,
  environment: EnvironmentRow,
  execution: ExecutionRow,
  parts: readonly ExecutionPart[],
): Promise<void> {
  const desired = desiredStateAfter(execution.action);
  await tx.db
    .update(tables.environments)
    .set({
      generation: execution.generation,
      stagedGeneration: execution.generation,
      state: environmentState(execution.action, 'QUEUED'),
      lastExecutionId: execution.id,
      lastUpdatedBy: tx.context.actor.principalId,
      updatedAt: now,
      version: environment.version + 1,
      // Deploying wakes an environment; stopping one service does not stop it.
      ...(execution.wholeEnvironment || desired === 'RUNNING' ? { desiredState: desired } : {}),
    })
    .where(eq(tables.environments.id, environment.id));
  for (const part of parts) {
    await tx.db
      .update(tables.services)
      .set({
        state: serviceState(part.action, 'QUEUED'),
        desiredState: desiredStateAfter(part.action),
        lastExecutionId: execution.id,
        ...(part.requestedSha === null ? {} : { lastRequestedSha: part.requestedSha }),
      })
      .where(eq(tables.services.id, part.serviceId));
  }
}

function desiredStateAfter(action: ExecutionAction): 'RUNNING' | 'STOPPED' | 'DELETED' {
  return action === 'STOP' ? 'STOPPED' : action === 'DELETE' ? 'DELETED' : 'RUNNING';
}

async function requestReplacement(
  tx: TenantTransaction,
  now: Temporal.Instant,
  running: ExecutionId | null,
  by: ExecutionRow,
  parts: readonly ExecutionPart[],
): Promise<ExecutionId | null> {
  if (running === null) return null;
  await updateExecution(tx, running, {
    status: 'CANCELING',
    cancelRequestedAt: now,
    supersededBy: by.id,
    explanation: `Canceled, because ${describeNewer(by, parts)} replaces it.`,
  });
  return running;
}

/** As the history of deployments shows it: by its execution's id, and the commits that it deploys. */
function describeNewer({ id }: Pick<ExecutionRow, 'id'>, parts: readonly ExecutionPart[]): string {
  const commits = [...new Set(parts.flatMap(({ commitSha }) => commitSha?.slice(0, 7) ?? []))];
  const first = commits.slice(0, namedCommitsMax).join(', ');
  if (commits.length === 0) return `execution ${id}`;
  return `execution ${id} (${first}${commits.length > namedCommitsMax ? ', …' : ''})`;
}

const namedCommitsMax = 3;
