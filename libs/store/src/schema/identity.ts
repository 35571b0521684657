import type { ApiTokenId, OrganizationId, PrincipalId } from '@pilotfish/kernel';
import { sql } from 'drizzle-orm';
import {
  boolean,
  check,
  index,
  integer,
  jsonb,
  pgTable,
  primaryKey,
  smallint,
  text,
  unique,
  uuid,
} from 'drizzle-orm/pg-core';
import { counter, edited, id, instant } from './columns.ts';

/** One row: which control plane this database belongs to, and how often its memory was replaced. */
export const controlPlane = pgTable(
  'control_plane',
  {
    id: smallint('id').primaryKey().default(1),
    instanceId: uuid('instance_id').notNull(),
    epoch: counter('epoch').notNull(),
    /** Where this table was made; another one than where it is now in a restored dump. */
    place: text('place'),
    createdAt: instant('created_at').notNull(),
  },
  (table) => [check('control_plane_single', sql`${table.id} = 1`)],
);

export const organizations = pgTable('organizations', {
  id: id<OrganizationId>('id').primaryKey(),
  name: text('name').notNull(),
  description: text('description').notNull().default(''),
  plan: text('plan').notNull().default('ENTERPRISE'),
  websiteUrl: text('website_url'),
  repository: text('repository'),
  logoUrl: text('logo_url'),
  iconUrl: text('icon_url'),
  deletedAt: instant('deleted_at'),
  ...edited,
});

/** Whoever acts. Users belong to organizations by membership, the others to exactly one. */
export const principals = pgTable(
  'principals',
  {
    id: id<PrincipalId>('id').primaryKey(),
    kind: text('kind', { enum: ['user', 'token', 'engine', 'system'] }).notNull(),
    name: text('name').notNull(),
    email: text('email').unique(),
    organizationId: id<OrganizationId>('organization_id').references(() => organizations.id),
    createdAt: instant('created_at').notNull(),
    disabledAt: instant('disabled_at'),
  },
  (table) => [
    index('principals_organization').on(table.organizationId),
    check('principals_home', sql`(${table.kind} = 'user') = (${table.organizationId} is null)`),
  ],
);

/** `permissions` decide in process; `spec` keeps what a custom role says per cluster and project. */
export const roles = pgTable(
  'roles',
  {
    id: uuid('id').primaryKey(),
    organizationId: id<OrganizationId>('organization_id')
      .notNull()
      .references(() => organizations.id),
    name: text('name').notNull(),
    description: text('description').notNull().default(''),
    builtIn: boolean('built_in').notNull(),
    permissions: text('permissions').array().notNull(),
    spec: jsonb('spec').$type<unknown>(),
    ...edited,
  },
  (table) => [unique('roles_name').on(table.organizationId, table.name)],
);

export const memberships = pgTable(
  'memberships',
  {
    organizationId: id<OrganizationId>('organization_id')
      .notNull()
      .references(() => organizations.id),
    principalId: id<PrincipalId>('principal_id')
      .notNull()
      .references(() => principals.id),
    roleId: uuid('role_id')
      .notNull()
      .references(() => roles.id),
    createdAt: instant('created_at').notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.organizationId, table.principalId] }),
    index('memberships_principal').on(table.principalId),
  ],
);

/** A user's login; the token itself is stored nowhere. */
export const sessions = pgTable(
  'sessions',
  {
    id: uuid('id').primaryKey(),
    principalId: id<PrincipalId>('principal_id')
      .notNull()
      .references(() => principals.id),
    tokenHash: text('token_hash').notNull().unique(),
    createdAt: instant('created_at').notNull(),
    expiresAt: instant('expires_at').notNull(),
    revokedAt: instant('revoked_at'),
  },
  (table) => [index('sessions_principal').on(table.principalId)],
);

/** Acts as a principal of its own with the role's permissions. `token_hash`: SHA-256, hex. */
export const apiTokens = pgTable(
  'api_tokens',
  {
    id: id<ApiTokenId>('id').primaryKey(),
    organizationId: id<OrganizationId>('organization_id')
      .notNull()
      .references(() => organizations.id),
    /** The principal that the token acts as: one of kind token, or the user it was made for. */
    principalId: id<PrincipalId>('principal_id')
      .notNull()
      .references(() => principals.id),
    roleId: uuid('role_id')
      .notNull()
      .references(() => roles.id),
    name: text('name').notNull(),
    description: text('description').notNull().default(''),
    tokenHash: text('token_hash').notNull().unique(),
    createdBy: id<PrincipalId>('created_by').notNull(),
    expiresAt: instant('expires_at'),
    revokedAt: instant('revoked_at'),
    /** Written at most once per minute and token. */
    lastUsedAt: instant('last_used_at'),
    ...edited,
  },
  (table) => [index('api_tokens_organization').on(table.organizationId)],
);

/** Answers of POST requests by `Idempotency-Key`. One-time secrets are never part of `response`. */
export const idempotencyKeys = pgTable(
  'idempotency_keys',
  {
    organizationId: id<OrganizationId>('organization_id')
      .notNull()
      .references(() => organizations.id),
    principalId: id<PrincipalId>('principal_id').notNull(),
    key: text('key').notNull(),
    operation: text('operation').notNull(),
    requestHash: text('request_hash').notNull(),
    /** Null while the first request is under way, or where it died. */
    status: integer('status'),
    response: jsonb('response').$type<unknown>(),
    /** What it made; answered with 409 where the response held a secret. */
    resourceId: uuid('resource_id'),
    createdAt: instant('created_at').notNull(),
    expiresAt: instant('expires_at').notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.organizationId, table.principalId, table.key] }),
    index('idempotency_keys_expiry').on(table.expiresAt),
  ],
);
