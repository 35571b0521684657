import { environmentState, serviceState, settledState } from '@pilotfish/domain-deploy';
import { type ReleaseId, type ServiceId, type StageId, unreachable } from '@pilotfish/kernel';
import {
  activateRelease,
  type EnvironmentRow,
  type ExecutionRow,
  endPendingReleases,
  getRelease,
  listServicesByStage,
  type TenantTransaction,
  tables,
} from '@pilotfish/store';
import { and, eq, sql } from 'drizzle-orm';
import type { ExecutionView, Folded, ServicePart } from './fold-events.ts';
import { isOutOfDate } from './is-out-of-date.ts';

/**
 * Writes what events changed. Services and environment show their newest request: what an older
 * execution still does moves releases and generations, not their state.
 */
export async function saveView(
  tx: TenantTransaction,
  now: Temporal.Instant,
  environment: EnvironmentRow,
  execution: ExecutionRow,
  before: ExecutionView,
  { view: after, transitions }: Folded,
): Promise<void> {
  for (const [stageId, stage] of after.stages) {
    if (before.stages.get(stageId) === stage) continue;
    await updateStage(tx, execution, stageId, stage);
  }
  for (const [serviceId, service] of after.services) {
    if (before.services.get(serviceId) === service) continue;
    await updatePart(tx, execution, serviceId, service);
  }
  for (const { serviceId, part } of transitions) {
    await applyProgress(tx, now, environment, execution, serviceId, part);
  }
  if (before.status !== after.status) {
    await applyStatus(tx, now, environment, execution, after);
  }
}

async function updateStage(
  tx: TenantTransaction,
  execution: ExecutionRow,
  stageId: StageId,
  stage: Partial<typeof tables.executionStages.$inferInsert>,
): Promise<void> {
  const { executionStages } = tables;
  await tx.db
    .update(executionStages)
    .set(stage)
    .where(
      and(eq(executionStages.executionId, execution.id), eq(executionStages.stageId, stageId)),
    );
}

async function updatePart(
  tx: TenantTransaction,
  execution: ExecutionRow,
  serviceId: ServiceId,
  { progress, failure, startedAt, endedAt }: ServicePart,
): Promise<void> {
  const { executionServices } = tables;
  await tx.db
    .update(executionServices)
    .set({ progress, failure, startedAt, endedAt })
    .where(
      and(
        eq(executionServices.executionId, execution.id),
        eq(executionServices.serviceId, serviceId),
      ),
    );
}

async function applyProgress(
  tx: TenantTransaction,
  now: Temporal.Instant,
  environment: EnvironmentRow,
  execution: ExecutionRow,
  serviceId: ServiceId,
  service: ServicePart,
): Promise<void> {
  const { services } = tables;
  const isNewest = eq(services.lastExecutionId, execution.id);
  await tx.db
    .update(services)
    .set({ state: serviceState(service.action, service.progress) })
    .where(and(eq(services.id, serviceId), isNewest));
  switch (service.progress) {
    case 'DEPLOYED':
      if (service.releaseId === null) return;
      return await applyRelease(
        tx,
        environment,
        serviceId,
        service.releaseId,
        service.endedAt ?? now,
      );
    case 'DELETED':
      await tx.db.update(services).set({ deletedAt: now }).where(eq(services.id, serviceId));
      return;
    case 'BUILD_FAILED':
    case 'DEPLOY_FAILED':
      return await endPendingReleases(tx, releaseOf(service), 'FAILED');
    case 'CANCELED':
    case 'SKIPPED':
      return await endPendingReleases(tx, releaseOf(service), 'CANCELED');
    case 'QUEUED':
    case 'FETCHING':
    case 'BUILDING':
    case 'STARTING':
    case 'SWITCHING':
    case 'STOPPING':
    case 'DELETING':
    case 'STOPPED':
    case 'STOP_FAILED':
    case 'DELETE_FAILED':
      return;
    default:
      return unreachable(service.progress);
  }
}

/** What runs from now on is this release. */
async function applyRelease(
  tx: TenantTransaction,
  environment: EnvironmentRow,
  serviceId: ServiceId,
  releaseId: ReleaseId,
  lastDeployedAt: Temporal.Instant,
): Promise<void> {
  const { services } = tables;
  await activateRelease(tx, serviceId, releaseId, lastDeployedAt);
  const release = await getRelease(tx, serviceId, releaseId);
  const outOfDate = await isOutOfDate(tx, environment, serviceId, release);
  await tx.db
    .update(services)
    .set({ currentReleaseId: releaseId, lastDeployedAt, outOfDate })
    .where(eq(services.id, serviceId));
}

function releaseOf({ releaseId }: ServicePart): readonly ReleaseId[] {
  return releaseId === null ? [] : [releaseId];
}

async function applyStatus(
  tx: TenantTransaction,
  now: Temporal.Instant,
  environment: EnvironmentRow,
  execution: ExecutionRow,
  { status }: ExecutionView,
): Promise<void> {
  const { environments } = tables;
  const isDeletion = status === 'SUCCEEDED' && execution.action === 'DELETE';
  const isDeleted = isDeletion && execution.wholeEnvironment;
  const state =
    isDeletion && !isDeleted
      ? await stateOfTheRest(tx, environment)
      : environmentState(execution.action, status);
  await tx.db
    .update(environments)
    .set({
      updatedAt: now,
      ...(environment.lastExecutionId === execution.id ? { state } : {}),
      ...(status === 'SUCCEEDED'
        ? {
            appliedGeneration: sql`greatest(${environments.appliedGeneration}, ${execution.generation})`,
          }
        : {}),
      ...(isDeleted ? { deletedAt: now } : {}),
    })
    .where(eq(environments.id, environment.id));
}

/** Where an environment stands when some of its services were deleted and it was not. */
async function stateOfTheRest(tx: TenantTransaction, environment: EnvironmentRow) {
  const rest = await listServicesByStage(tx, environment.id);
  return settledState(rest.map(({ service }) => service.state));
}
