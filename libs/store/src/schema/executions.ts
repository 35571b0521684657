import type { ExecutionEvent, Explanation, ServiceProgress } from '@pilotfish/contracts';
import type { ExecutionAction, ExecutionOrigin, ExecutionStatus } from '@pilotfish/domain-deploy';
import type {
  ClusterId,
  DeliveryId,
  EnvironmentId,
  ExecutionId,
  OrganizationId,
  PrincipalId,
  ProjectId,
  ReleaseId,
  ServiceId,
  StageId,
} from '@pilotfish/kernel';
import { sql } from 'drizzle-orm';
import {
  boolean,
  check,
  index,
  integer,
  jsonb,
  pgTable,
  primaryKey,
  text,
  unique,
  uniqueIndex,
  uuid,
} from 'drizzle-orm/pg-core';
import { counter, day, id, instant } from './columns.ts';
import { environments, projects, releases, services } from './environments.ts';
import { clusters } from './fleet.ts';
import { organizations } from './identity.ts';

/**
 * A deployment request and everything that became of it. Life: QUEUED → RELEASED (an outbox row
 * exists or was published) → ONGOING (the engine reported) → SUCCEEDED, FAILED or CANCELED; or
 * QUEUED → CANCELED or SUPERSEDED. CANCELING lies between a request to stop and the engine's end.
 */
export const executions = pgTable(
  'executions',
  {
    id: id<ExecutionId>('id').primaryKey(),
    organizationId: id<OrganizationId>('organization_id')
      .notNull()
      .references(() => organizations.id),
    projectId: id<ProjectId>('project_id')
      .notNull()
      .references(() => projects.id),
    environmentId: id<EnvironmentId>('environment_id')
      .notNull()
      .references(() => environments.id),
    clusterId: id<ClusterId>('cluster_id')
      .notNull()
      .references(() => clusters.id),
    generation: counter('generation').notNull(),
    /** Raised where no engine reported on the one before. */
    attempt: integer('attempt').notNull().default(1),
    action: text('action').$type<ExecutionAction>().notNull(),
    status: text('status').$type<ExecutionStatus>().notNull(),
    origin: text('origin').$type<ExecutionOrigin>().notNull(),
    /** The public API's word for where it came from (API, CLI, CONSOLE, GIT …). */
    clientOrigin: text('client_origin').notNull(),
    triggeredBy: id<PrincipalId>('triggered_by').notNull(),
    triggeredByName: text('triggered_by_name').notNull(),
    deliveryId: id<DeliveryId>('delivery_id'),
    /** W3C `traceparent` of what caused it. */
    trace: text('trace'),
    /** One sentence for the history: what it waits for, stands for, or was replaced by. */
    explanation: text('explanation').notNull().default(''),
    /** Who does its work in its place: it was absorbed, or canceled to make way. */
    supersededBy: id<ExecutionId>('superseded_by'),
    cancelRequestedAt: instant('cancel_requested_at'),
    cancelForced: boolean('cancel_forced').notNull().default(false),
    /** Asked for as a whole, and not for services by name: its end is the environment's end. */
    wholeEnvironment: boolean('whole_environment').notNull().default(false),
    /**
     * The epoch under which somebody asked for this deletion; null: nobody did. Under a later one
     * (the database is a restored backup) it is no wish that an engine may take for confirmed.
     */
    confirmedEpoch: counter('confirmed_epoch'),
    /** The cluster's lease at the last issue; events under another one are refused. */
    lease: counter('lease').notNull().default(0),
    /** The highest gapless sequence committed. */
    confirmedSequence: counter('confirmed_sequence').notNull().default(0),
    isolation: text('isolation'),
    queuedAt: instant('queued_at').notNull(),
    releasedAt: instant('released_at'),
    /** When the last attempt was acknowledged by JetStream. */
    publishedAt: instant('published_at'),
    startedAt: instant('started_at'),
    /** When an engine was last heard of about it. */
    reportedAt: instant('reported_at'),
    endedAt: instant('ended_at'),
  },
  (table) => [
    unique('executions_generation').on(table.environmentId, table.generation),
    // At most one execution per environment at a time, whatever the code believes.
    uniqueIndex('executions_one_open')
      .on(table.environmentId)
      .where(sql`${table.status} in ('RELEASED', 'ONGOING', 'CANCELING')`),
    index('executions_queued')
      .on(table.environmentId, table.generation)
      .where(sql`${table.status} = 'QUEUED'`),
    index('executions_open')
      .on(table.clusterId)
      .where(sql`${table.status} in ('RELEASED', 'ONGOING', 'CANCELING')`),
    check(
      'executions_status',
      sql`${table.status} in ('QUEUED', 'RELEASED', 'ONGOING', 'CANCELING', 'SUCCEEDED', 'FAILED', 'CANCELED', 'SUPERSEDED')`,
    ),
  ],
);

/** One service's part in an execution. */
export const executionServices = pgTable(
  'execution_services',
  {
    executionId: id<ExecutionId>('execution_id')
      .notNull()
      .references(() => executions.id),
    serviceId: id<ServiceId>('service_id')
      .notNull()
      .references(() => services.id),
    organizationId: id<OrganizationId>('organization_id')
      .notNull()
      .references(() => organizations.id),
    stageId: id<StageId>('stage_id').notNull(),
    action: text('action').$type<ExecutionAction>().notNull(),
    releaseId: id<ReleaseId>('release_id').references(() => releases.id),
    commitSha: text('commit_sha'),
    progress: text('progress').$type<ServiceProgress>().notNull(),
    failure: jsonb('failure').$type<Explanation>(),
    startedAt: instant('started_at'),
    endedAt: instant('ended_at'),
  },
  (table) => [
    primaryKey({ columns: [table.executionId, table.serviceId] }),
    index('execution_services_service').on(table.serviceId, table.executionId),
  ],
);

/** One stage of an execution, as it was named when the execution was made. */
export const executionStages = pgTable(
  'execution_stages',
  {
    executionId: id<ExecutionId>('execution_id')
      .notNull()
      .references(() => executions.id),
    stageId: id<StageId>('stage_id').notNull(),
    organizationId: id<OrganizationId>('organization_id')
      .notNull()
      .references(() => organizations.id),
    name: text('name').notNull(),
    position: integer('position').notNull(),
    status: text('status', {
      enum: ['QUEUED', 'ONGOING', 'DONE', 'ERROR', 'SKIPPED', 'CANCELED'],
    }).notNull(),
    startedAt: instant('started_at'),
    endedAt: instant('ended_at'),
  },
  (table) => [primaryKey({ columns: [table.executionId, table.stageId] })],
);

/**
 * Event lines, in partitions by the day they were recorded. Only the gapless front of a sequence is
 * here; deduplication is by `executions.confirmed_sequence` under that row's lock, because a unique
 * index of a partitioned table must contain the partition key.
 */
export const executionEvents = pgTable(
  'execution_events',
  {
    executionId: id<ExecutionId>('execution_id').notNull(),
    sequence: counter('sequence').notNull(),
    day: day('day').notNull(),
    organizationId: id<OrganizationId>('organization_id').notNull(),
    at: instant('at').notNull(),
    body: jsonb('body').$type<ExecutionEvent>().notNull(),
  },
  (table) => [primaryKey({ columns: [table.executionId, table.sequence, table.day] })],
);

/** Events that arrived before the ones they follow. Gone as soon as the gap is closed. */
export const earlyEvents = pgTable(
  'early_events',
  {
    executionId: id<ExecutionId>('execution_id')
      .notNull()
      .references(() => executions.id, { onDelete: 'cascade' }),
    sequence: counter('sequence').notNull(),
    organizationId: id<OrganizationId>('organization_id').notNull(),
    attempt: integer('attempt').notNull(),
    body: jsonb('body').$type<ExecutionEvent>().notNull(),
  },
  (table) => [primaryKey({ columns: [table.executionId, table.sequence] })],
);

/**
 * Tasks to publish: one row per execution that is to reach its cluster. It names secret versions
 * through the execution's releases and holds none. Deleted when JetStream acknowledged.
 */
export const outbox = pgTable(
  'outbox',
  {
    id: uuid('id').primaryKey(),
    organizationId: id<OrganizationId>('organization_id')
      .notNull()
      .references(() => organizations.id),
    clusterId: id<ClusterId>('cluster_id').notNull(),
    environmentId: id<EnvironmentId>('environment_id').notNull(),
    executionId: id<ExecutionId>('execution_id')
      .notNull()
      .references(() => executions.id)
      .unique(),
    generation: counter('generation').notNull(),
    /** How often publishing failed, and when to try again. */
    failures: integer('failures').notNull().default(0),
    nextTryAt: instant('next_try_at').notNull(),
    createdAt: instant('created_at').notNull(),
  },
  (table) => [
    index('outbox_environment').on(table.environmentId, table.generation),
    index('outbox_due').on(table.nextTryAt),
  ],
);
