import type { ClusterId, EngineId, OrganizationId, PrincipalId } from '@pilotfish/kernel';
import { boolean, index, integer, pgTable, text, uuid } from 'drizzle-orm/pg-core';
import { counter, edited, id, instant } from './columns.ts';
import { organizations } from './identity.ts';

/** A place that environments run on, with one engine at a time. */
export const clusters = pgTable(
  'clusters',
  {
    id: id<ClusterId>('id').primaryKey(),
    organizationId: id<OrganizationId>('organization_id')
      .notNull()
      .references(() => organizations.id),
    name: text('name').notNull(),
    description: text('description').notNull().default(''),
    region: text('region').notNull().default('on-premise'),
    cloudProvider: text('cloud_provider').notNull().default('ON_PREMISE'),
    isDefault: boolean('is_default').notNull().default(false),
    production: boolean('production').notNull().default(false),
    /**
     * Fences engines: raised when an engine enrols or is revoked, never by time. Every write of an
     * engine carries it.
     */
    lease: counter('lease').notNull().default(0),
    ...edited,
  },
  (table) => [index('clusters_organization').on(table.organizationId)],
);

/** One engine identity. Its private keys never leave the machine it runs on. */
export const engines = pgTable(
  'engines',
  {
    id: id<EngineId>('id').primaryKey(),
    organizationId: id<OrganizationId>('organization_id')
      .notNull()
      .references(() => organizations.id),
    clusterId: id<ClusterId>('cluster_id')
      .notNull()
      .references(() => clusters.id),
    principalId: id<PrincipalId>('principal_id').notNull(),
    name: text('name').notNull().default('engine'),
    /** NATS user nkey (`U…`). */
    identityPublicKey: text('identity_public_key').notNull().unique(),
    /** Raw X25519, base64url. */
    sealingPublicKey: text('sealing_public_key').notNull(),
    /** The cluster's lease that this engine holds. */
    lease: counter('lease').notNull(),
    version: text('version'),
    target: text('target'),
    isolation: text('isolation'),
    protocolOldest: integer('protocol_oldest'),
    protocolNewest: integer('protocol_newest'),
    enrolledAt: instant('enrolled_at').notNull(),
    lastHelloAt: instant('last_hello_at'),
    revokedAt: instant('revoked_at'),
  },
  (table) => [index('engines_cluster').on(table.clusterId)],
);

/** One-time invitations of engines. The token is shown once; here is its SHA-256, hex. */
export const engineJoinTokens = pgTable(
  'engine_join_tokens',
  {
    id: uuid('id').primaryKey(),
    organizationId: id<OrganizationId>('organization_id')
      .notNull()
      .references(() => organizations.id),
    clusterId: id<ClusterId>('cluster_id')
      .notNull()
      .references(() => clusters.id),
    tokenHash: text('token_hash').notNull().unique(),
    createdBy: id<PrincipalId>('created_by').notNull(),
    createdAt: instant('created_at').notNull(),
    expiresAt: instant('expires_at').notNull(),
    usedAt: instant('used_at'),
    engineId: id<EngineId>('engine_id'),
  },
  (table) => [index('engine_join_tokens_cluster').on(table.clusterId)],
);
