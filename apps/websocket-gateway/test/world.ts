/** A small organization in a real database, with a gateway in front of it and an engine behind. */
import { randomUUID } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import type { EnvironmentTask, EventBatch, ExecutionEvent } from '@pilotfish/contracts';
import { builtInRoles, messages } from '@pilotfish/contracts';
import { hashToken } from '@pilotfish/crypto';
import {
  type ClusterId,
  type EngineId,
  type EnvironmentId,
  type ExecutionId,
  newId,
  type OrganizationId,
  type PrincipalId,
  type ProjectId,
  type ServiceId,
  type StageId,
  systemClock,
} from '@pilotfish/kernel';
import { createHealth, createLogger, createMetrics } from '@pilotfish/runtime';
import { openStore, tables } from '@pilotfish/store';
import { type TestDatabase, type TestNats, testDatabase, testNats } from '@pilotfish/testing';
import { eq } from 'drizzle-orm';
import { drizzle, type PostgresJsDatabase } from 'drizzle-orm/postgres-js';
import { onTestFinished } from 'vitest';
import { type AppDeps, buildApp } from '../src/app.ts';

export interface World {
  readonly database: TestDatabase;
  readonly nats: TestNats;
  readonly db: PostgresJsDatabase;
  readonly ids: Awaited<ReturnType<typeof insertOrganization>>;
  /** Another organization with the same things in it. */
  readonly others: Awaited<ReturnType<typeof insertOrganization>>;
  readonly engine: Awaited<ReturnType<TestNats['engineBus']>>['bus'];
  /** One more replica; returns its `ws://` address. */
  startGateway(change?: Partial<AppDeps>): Promise<{ url: string; close: () => Promise<void> }>;
  addExecution(change?: Partial<typeof tables.executions.$inferInsert>): Promise<ExecutionId>;
  /** What the ingester does: events into Postgres, in order. */
  commit(executionId: ExecutionId, events: readonly ExecutionEvent[]): Promise<void>;
  end(executionId: ExecutionId, status: 'SUCCEEDED' | 'CANCELED' | 'SUPERSEDED'): Promise<void>;
  /** What the engine does. */
  tell(executionId: ExecutionId, events: readonly ExecutionEvent[]): Promise<void>;
}

export async function makeWorld(): Promise<World> {
  const database = await testDatabase();
  const nats = await testNats();
  const db = drizzle(database.sql);
  const now = systemClock.now();
  await database.sql`select pilotfish_ensure_partitions(current_date - 1, current_date + 2)`;
  const ids = await insertOrganization(db, now, 'ours');
  const others = await insertOrganization(db, now, 'theirs');
  const coreApi = await nats.bus('core-api');
  await coreApi.ensureStreams();
  const { bus: engine } = await nats.engineBus({
    engineId: newId<EngineId>(),
    clusterId: ids.cluster,
  });
  let generation = 0;

  return {
    database,
    nats,
    db,
    ids,
    others,
    engine,
    startGateway: (change) => startGateway(database, nats, change),
    async addExecution(change = {}) {
      const id = newId<ExecutionId>();
      await db.insert(tables.executions).values({
        id,
        organizationId: ids.organization,
        projectId: ids.project,
        environmentId: ids.environment,
        clusterId: ids.cluster,
        generation: ++generation,
        action: 'DEPLOY',
        status: 'ONGOING',
        origin: 'GIT',
        clientOrigin: 'GIT',
        triggeredBy: ids.principal,
        triggeredByName: 'Ada',
        queuedAt: systemClock.now(),
        ...change,
      });
      await db.insert(tables.executionStages).values({
        executionId: id,
        stageId: ids.stage,
        organizationId: ids.organization,
        name: 'DEFAULT',
        position: 0,
        status: 'QUEUED',
      });
      return id;
    },
    async commit(executionId, events) {
      const day = systemClock.now().toZonedDateTimeISO('UTC').toPlainDate();
      const { organization: organizationId } = ids;
      await db.transaction(async (tx) => {
        await tx.insert(tables.executionEvents).values(
          events.map((body) => ({
            executionId,
            sequence: body.sequence,
            day,
            organizationId,
            at: Temporal.Instant.from(body.at),
            body,
          })),
        );
        const confirmedSequence = events.at(-1)?.sequence ?? 0;
        await tx
          .update(tables.executions)
          .set({ confirmedSequence })
          .where(eq(tables.executions.id, executionId));
      });
    },
    async end(executionId, status) {
      await db
        .update(tables.executions)
        .set({ status, endedAt: systemClock.now() })
        .where(eq(tables.executions.id, executionId));
    },
    async tell(executionId, events) {
      const { cluster: clusterId, environment: environmentId } = ids;
      const body = batchOf(ids, executionId, events);
      await engine.publish(messages.events, { clusterId, environmentId, executionId }, body);
    },
  };
}

function batchOf(
  ids: World['ids'],
  executionId: ExecutionId,
  events: readonly ExecutionEvent[],
): EventBatch {
  const envelope: Pick<EnvironmentTask, 'v' | 'epoch' | 'generation' | 'lease' | 'attempt'> = {
    v: 1,
    epoch: 1,
    generation: 1,
    lease: 0,
    attempt: 1,
  };
  return {
    ...envelope,
    id: randomUUID(),
    organizationId: ids.organization,
    projectId: ids.project,
    clusterId: ids.cluster,
    environmentId: ids.environment,
    executionId,
    events: [...events],
  };
}

async function startGateway(
  database: TestDatabase,
  nats: TestNats,
  change: Partial<AppDeps> = {},
): Promise<{ url: string; close: () => Promise<void> }> {
  const store = await openStore({
    url: database.urlOf('websocket_gateway'),
    name: 'websocket-gateway',
    max: 4,
  });
  const bus = await nats.open({ party: 'websocket-gateway', waitForConnection: false });
  const app = buildApp({
    logger: createLogger({ name: 'websocket-gateway', level: 'silent' }),
    health: createHealth(),
    metrics: createMetrics('websocket-gateway'),
    clock: systemClock,
    store,
    bus,
    clientsMax: 100,
    queueBytesMax: 256 * 1024,
    stallMsMax: 10_000,
    pingMs: 20_000,
    ...change,
  });
  await app.listen({ host: '127.0.0.1', port: 0 });
  let closed: Promise<void> | undefined;
  const close = () => {
    closed ??= (async () => {
      await app.close();
      await store.close();
    })();
    return closed;
  };
  onTestFinished(close);
  return { url: `ws://127.0.0.1:${(app.server.address() as AddressInfo).port}`, close };
}

async function insertOrganization(db: PostgresJsDatabase, now: Temporal.Instant, name: string) {
  const ids = {
    organization: newId<OrganizationId>(),
    principal: newId<PrincipalId>(),
    project: newId<ProjectId>(),
    cluster: newId<ClusterId>(),
    environment: newId<EnvironmentId>(),
    stage: newId<StageId>(),
    service: newId<ServiceId>(),
    token: `qov_${name}-viewer-${randomUUID()}`,
    /** Of a role that may read nothing. */
    uselessToken: `qov_${name}-useless-${randomUUID()}`,
  };
  const organizationId = ids.organization;
  const edited = { createdAt: now, updatedAt: now };
  await db.insert(tables.organizations).values({ id: organizationId, name, ...edited });
  await db.insert(tables.principals).values({
    id: ids.principal,
    kind: 'token',
    name: 'Ada',
    organizationId,
    createdAt: now,
  });
  for (const [role, token, permissions] of [
    ['Viewer', ids.token, [...builtInRoles.Viewer]],
    ['Nobody', ids.uselessToken, []],
  ] as const) {
    const roleId = randomUUID();
    await db.insert(tables.roles).values({
      id: roleId,
      organizationId,
      name: role,
      builtIn: true,
      permissions: [...permissions],
      ...edited,
    });
    await db.insert(tables.apiTokens).values({
      id: newId(),
      organizationId,
      principalId: ids.principal,
      roleId,
      name: role,
      tokenHash: hashToken(token),
      createdBy: ids.principal,
      ...edited,
    });
  }
  await db
    .insert(tables.clusters)
    .values({ id: ids.cluster, organizationId, name: 'this-machine', ...edited });
  await db
    .insert(tables.projects)
    .values({ id: ids.project, organizationId, name: 'shop', ...edited });
  await db.insert(tables.environments).values({
    id: ids.environment,
    organizationId,
    projectId: ids.project,
    clusterId: ids.cluster,
    name: 'production',
    mode: 'PRODUCTION',
    ...edited,
  });
  await db.insert(tables.deploymentStages).values({
    id: ids.stage,
    organizationId,
    environmentId: ids.environment,
    name: 'DEFAULT',
    position: 0,
    ...edited,
  });
  await db.insert(tables.services).values({
    id: ids.service,
    organizationId,
    environmentId: ids.environment,
    stageId: ids.stage,
    kind: 'APPLICATION',
    name: 'web',
    spec: {} as never,
    host: `web-${ids.service.slice(-8)}`,
    ...edited,
  });
  return ids;
}

/** A line of a build. */
export function lineEvent(ids: World['ids'], sequence: number, text = `line ${sequence}`) {
  return {
    kind: 'line',
    sequence,
    at: '2026-11-20T10:00:00.000Z',
    stageId: ids.stage,
    serviceId: ids.service,
    step: 'BUILD',
    severity: 'INFO',
    text,
  } as const satisfies ExecutionEvent;
}

export function endEvent(sequence: number) {
  return {
    kind: 'execution_ended',
    sequence,
    at: '2026-11-20T10:00:01.000Z',
    outcome: 'SUCCEEDED',
    summary: 'All is well.',
    isolation: 'T0',
  } as const satisfies ExecutionEvent;
}
