import type {
  EnvironmentId,
  OrganizationId,
  PrincipalId,
  ProjectId,
  ServiceId,
  VariableId,
} from '@pilotfish/kernel';
import { sql } from 'drizzle-orm';
import {
  boolean,
  check,
  index,
  integer,
  pgTable,
  primaryKey,
  text,
  uniqueIndex,
  uuid,
} from 'drizzle-orm/pg-core';
import { bytes, edited, id, instant } from './columns.ts';
import { environments, projects, services } from './environments.ts';
import { organizations } from './identity.ts';

/** A name with a value per version. The narrowest scope wins: service, environment, project. */
export const variables = pgTable(
  'variables',
  {
    id: id<VariableId>('id').primaryKey(),
    organizationId: id<OrganizationId>('organization_id')
      .notNull()
      .references(() => organizations.id),
    key: text('key').notNull(),
    scope: text('scope', { enum: ['PROJECT', 'ENVIRONMENT', 'APPLICATION'] }).notNull(),
    projectId: id<ProjectId>('project_id')
      .notNull()
      .references(() => projects.id),
    environmentId: id<EnvironmentId>('environment_id').references(() => environments.id),
    serviceId: id<ServiceId>('service_id').references(() => services.id),
    /** The project, environment or service of its scope. */
    parentId: uuid('parent_id')
      .notNull()
      .generatedAlwaysAs(sql`coalesce(service_id, environment_id, project_id)`),
    isSecret: boolean('is_secret').notNull(),
    description: text('description').notNull().default(''),
    mountPath: text('mount_path'),
    /** The number of the newest row in `variable_versions`. */
    currentVersion: integer('current_version').notNull(),
    /** Deleted ones stay, because releases name their versions; no list shows them. */
    deletedAt: instant('deleted_at'),
    ...edited,
  },
  (table) => [
    uniqueIndex('variables_key')
      .on(table.parentId, table.key)
      .where(sql`${table.deletedAt} is null`),
    index('variables_organization').on(table.organizationId),
    check(
      'variables_scope',
      sql`(${table.environmentId} is not null) = (${table.scope} <> 'PROJECT') and (${table.serviceId} is not null) = (${table.scope} = 'APPLICATION')`,
    ),
  ],
);

/**
 * A plain value, or the ciphertext of a secret bound to `variables/{id}` and the number. Never
 * changed after it was written: releases refer to versions.
 */
export const variableVersions = pgTable(
  'variable_versions',
  {
    variableId: id<VariableId>('variable_id')
      .notNull()
      .references(() => variables.id),
    number: integer('number').notNull(),
    organizationId: id<OrganizationId>('organization_id')
      .notNull()
      .references(() => organizations.id),
    value: text('value'),
    ciphertext: bytes('ciphertext'),
    createdAt: instant('created_at').notNull(),
    createdBy: id<PrincipalId>('created_by').notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.variableId, table.number] }),
    check('variable_versions_one', sql`(${table.value} is null) <> (${table.ciphertext} is null)`),
  ],
);
