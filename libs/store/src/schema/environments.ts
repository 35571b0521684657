import type { ReleaseConfig, ServiceSpec } from '@pilotfish/contracts';
import type { QueuePolicy, WireState } from '@pilotfish/domain-deploy';
import type {
  ClusterId,
  EnvironmentId,
  ExecutionId,
  GitTokenId,
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
  text,
  unique,
  uniqueIndex,
} from 'drizzle-orm/pg-core';
import { counter, edited, id, instant } from './columns.ts';
import { clusters } from './fleet.ts';
import { gitTokens } from './git-tokens.ts';
import { organizations } from './identity.ts';

export const projects = pgTable(
  'projects',
  {
    id: id<ProjectId>('id').primaryKey(),
    organizationId: id<OrganizationId>('organization_id')
      .notNull()
      .references(() => organizations.id),
    name: text('name').notNull(),
    description: text('description').notNull().default(''),
    deletedAt: instant('deleted_at'),
    ...edited,
  },
  (table) => [
    uniqueIndex('projects_name')
      .on(table.organizationId, table.name)
      .where(sql`${table.deletedAt} is null`),
  ],
);

/**
 * `generation` grows with each change of what should be, under this row's lock. Of it, `staged` is
 * what should be, `released` what was let through to the cluster, `applied` what an engine reported.
 */
export const environments = pgTable(
  'environments',
  {
    id: id<EnvironmentId>('id').primaryKey(),
    organizationId: id<OrganizationId>('organization_id')
      .notNull()
      .references(() => organizations.id),
    projectId: id<ProjectId>('project_id')
      .notNull()
      .references(() => projects.id),
    clusterId: id<ClusterId>('cluster_id')
      .notNull()
      .references(() => clusters.id),
    name: text('name').notNull(),
    mode: text('mode', { enum: ['PRODUCTION', 'STAGING', 'DEVELOPMENT', 'PREVIEW'] }).notNull(),
    queuePolicy: text('queue_policy').$type<QueuePolicy>().notNull().default('queue'),
    desiredState: text('desired_state', { enum: ['RUNNING', 'STOPPED', 'DELETED'] })
      .notNull()
      .default('RUNNING'),
    generation: counter('generation').notNull().default(0),
    stagedGeneration: counter('staged_generation').notNull().default(0),
    releasedGeneration: counter('released_generation').notNull().default(0),
    appliedGeneration: counter('applied_generation').notNull().default(0),
    state: text('state').$type<WireState>().notNull().default('READY'),
    lastExecutionId: id<ExecutionId>('last_execution_id'),
    lastUpdatedBy: id<PrincipalId>('last_updated_by'),
    expiresAt: instant('expires_at'),
    deletedAt: instant('deleted_at'),
    ...edited,
  },
  (table) => [
    uniqueIndex('environments_name')
      .on(table.projectId, table.name)
      .where(sql`${table.deletedAt} is null`),
    index('environments_organization').on(table.organizationId),
    index('environments_cluster').on(table.clusterId),
    check(
      'environments_queue_policy',
      sql`${table.queuePolicy} in ('queue', 'latest', 'replace', 'forbid')`,
    ),
    check(
      'environments_generations',
      sql`${table.appliedGeneration} <= ${table.releasedGeneration} and ${table.releasedGeneration} <= ${table.stagedGeneration} and ${table.stagedGeneration} <= ${table.generation}`,
    ),
  ],
);

/** Stages run in order of `position`; the services of one run side by side. */
export const deploymentStages = pgTable(
  'deployment_stages',
  {
    id: id<StageId>('id').primaryKey(),
    organizationId: id<OrganizationId>('organization_id')
      .notNull()
      .references(() => organizations.id),
    environmentId: id<EnvironmentId>('environment_id')
      .notNull()
      .references(() => environments.id),
    name: text('name').notNull(),
    description: text('description').notNull().default(''),
    position: integer('position').notNull(),
    ...edited,
  },
  (table) => [index('deployment_stages_environment').on(table.environmentId, table.position)],
);

/** One table for every kind of service; what differs is in `spec`, typed by zod in the contracts. */
export const services = pgTable(
  'services',
  {
    id: id<ServiceId>('id').primaryKey(),
    organizationId: id<OrganizationId>('organization_id')
      .notNull()
      .references(() => organizations.id),
    environmentId: id<EnvironmentId>('environment_id')
      .notNull()
      .references(() => environments.id),
    stageId: id<StageId>('stage_id')
      .notNull()
      .references(() => deploymentStages.id),
    kind: text('kind', { enum: ['APPLICATION'] }).notNull(),
    name: text('name').notNull(),
    description: text('description').notNull().default(''),
    iconUri: text('icon_uri').notNull().default('app://qovery-console/application'),
    spec: jsonb('spec').$type<ServiceSpec>().notNull(),
    /** `repositoryKey(spec.git.url)`, beside the spec because deliveries are matched by it. */
    repositoryKey: text('repository_key'),
    branch: text('branch'),
    autoDeploy: boolean('auto_deploy').notNull().default(false),
    /** `spec.git.gitTokenId`, beside the spec because a token in use must not be deleted. */
    gitTokenId: id<GitTokenId>('git_token_id').references(() => gitTokens.id),
    /** The commit that was last asked to be deployed, so that one push deploys once. */
    lastRequestedSha: text('last_requested_sha'),
    /** The host name under which the edge serves it, without port; never changes. */
    host: text('host').notNull(),
    desiredState: text('desired_state', { enum: ['RUNNING', 'STOPPED', 'DELETED'] })
      .notNull()
      .default('RUNNING'),
    state: text('state').$type<WireState>().notNull().default('READY'),
    currentReleaseId: id<ReleaseId>('current_release_id'),
    lastExecutionId: id<ExecutionId>('last_execution_id'),
    lastDeployedAt: instant('last_deployed_at'),
    /** True where variables or the spec changed after the current release was made. */
    outOfDate: boolean('out_of_date').notNull().default(false),
    deletedAt: instant('deleted_at'),
    ...edited,
  },
  (table) => [
    uniqueIndex('services_name')
      .on(table.environmentId, table.name)
      .where(sql`${table.deletedAt} is null`),
    uniqueIndex('services_host').on(table.host).where(sql`${table.deletedAt} is null`),
    index('services_watching')
      .on(table.organizationId, table.repositoryKey, table.branch)
      .where(sql`${table.deletedAt} is null`),
    index('services_git_token')
      .on(table.gitTokenId)
      .where(sql`${table.gitTokenId} is not null and ${table.deletedAt} is null`),
  ],
);

/** What ran, or was to run: a commit with its resolved configuration, secrets by version. */
export const releases = pgTable(
  'releases',
  {
    id: id<ReleaseId>('id').primaryKey(),
    organizationId: id<OrganizationId>('organization_id')
      .notNull()
      .references(() => organizations.id),
    environmentId: id<EnvironmentId>('environment_id')
      .notNull()
      .references(() => environments.id),
    serviceId: id<ServiceId>('service_id')
      .notNull()
      .references(() => services.id),
    /** 1, 2, 3 … per service. */
    number: integer('number').notNull(),
    commitSha: text('commit_sha').notNull(),
    branch: text('branch').notNull(),
    config: jsonb('config').$type<ReleaseConfig>().notNull(),
    /** The execution that made it. A rollback runs a release again that another execution made. */
    executionId: id<ExecutionId>('execution_id').notNull(),
    status: text('status', {
      enum: ['PENDING', 'ACTIVE', 'RETIRED', 'FAILED', 'CANCELED'],
    }).notNull(),
    createdAt: instant('created_at').notNull(),
    activatedAt: instant('activated_at'),
  },
  (table) => [unique('releases_number').on(table.serviceId, table.number)],
);
