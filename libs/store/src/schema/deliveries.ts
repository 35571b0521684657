import type { DeliveryProvider } from '@pilotfish/domain-deploy';
import type {
  DeliveryId,
  ExecutionId,
  IncomingWebhookId,
  OrganizationId,
  PrincipalId,
  RepositoryId,
} from '@pilotfish/kernel';
import { sql } from 'drizzle-orm';
import {
  boolean,
  index,
  integer,
  jsonb,
  pgTable,
  primaryKey,
  text,
  uniqueIndex,
  uuid,
} from 'drizzle-orm/pg-core';
import { bytes, day, edited, id, instant } from './columns.ts';
import { organizations } from './identity.ts';

/** Repositories that the built-in git-server hosts. */
export const repositories = pgTable(
  'repositories',
  {
    id: id<RepositoryId>('id').primaryKey(),
    organizationId: id<OrganizationId>('organization_id')
      .notNull()
      .references(() => organizations.id),
    /** The last part of its URL, without `.git`. */
    name: text('name').notNull(),
    defaultBranch: text('default_branch').notNull().default('main'),
    deletedAt: instant('deleted_at'),
    ...edited,
  },
  (table) => [
    uniqueIndex('repositories_name')
      .on(table.organizationId, table.name)
      .where(sql`${table.deletedAt} is null`),
  ],
);

/**
 * What was last seen of a branch and what was last acted on. Deciding about a branch happens under
 * its row's lock, so that no two deciders can move it back.
 */
export const branchHeads = pgTable(
  'branch_heads',
  {
    organizationId: id<OrganizationId>('organization_id')
      .notNull()
      .references(() => organizations.id),
    repositoryKey: text('repository_key').notNull(),
    branch: text('branch').notNull(),
    /** Null where the branch does not exist. */
    headSha: text('head_sha'),
    /** The head for which services were last matched; null where that never happened. */
    handledSha: text('handled_sha'),
    observedAt: instant('observed_at').notNull(),
    handledAt: instant('handled_at'),
    /** Grows whenever somebody acts on a head: an answer of Git that is older counts for nothing. */
    actions: integer('actions').notNull().default(0),
  },
  (table) => [primaryKey({ columns: [table.organizationId, table.repositoryKey, table.branch] })],
);

/** Where a Git provider may post to. Secrets are ciphertexts under the hooks' own derived key. */
export const incomingWebhooks = pgTable(
  'incoming_webhooks',
  {
    id: id<IncomingWebhookId>('id').primaryKey(),
    organizationId: id<OrganizationId>('organization_id')
      .notNull()
      .references(() => organizations.id),
    name: text('name').notNull(),
    provider: text('provider').$type<DeliveryProvider>().notNull(),
    /** Bound to `incoming_webhooks/{id}` and `secret_version`. */
    secretCiphertext: bytes('secret_ciphertext').notNull(),
    secretVersion: integer('secret_version').notNull().default(1),
    /** The secret before the last rotation, bound to `secret_version - 1`. */
    previousSecretCiphertext: bytes('previous_secret_ciphertext'),
    previousSecretValidUntil: instant('previous_secret_valid_until'),
    /**
     * The secret of a rotation that is under way, bound to `secret_version + 1`: it counts and nobody
     * was told it yet. Left over by one that died, it is known to nobody, and soon forgotten.
     */
    nextSecretCiphertext: bytes('next_secret_ciphertext'),
    /** Made for the built-in git-server; not shown among the users' own. */
    managed: boolean('managed').notNull().default(false),
    /** Made by Pilotfish for the repositories whose webhooks it keeps at the provider. */
    registers: boolean('registers').notNull().default(false),
    createdBy: id<PrincipalId>('created_by').notNull(),
    deletedAt: instant('deleted_at'),
    ...edited,
  },
  (table) => [
    index('incoming_webhooks_organization').on(table.organizationId),
    uniqueIndex('incoming_webhooks_managed')
      .on(table.organizationId)
      .where(sql`${table.managed} and ${table.deletedAt} is null`),
    uniqueIndex('incoming_webhooks_registering')
      .on(table.organizationId, table.provider)
      .where(sql`${table.registers} and ${table.deletedAt} is null`),
  ],
);

/**
 * The inbox: narrow and unpartitioned, because it is what makes a delivery arrive once. The body
 * lies in `delivery_payloads` and expires sooner.
 */
export const deliveries = pgTable(
  'deliveries',
  {
    id: id<DeliveryId>('id').primaryKey(),
    organizationId: id<OrganizationId>('organization_id').notNull(),
    incomingWebhookId: id<IncomingWebhookId>('incoming_webhook_id').notNull(),
    providerDeliveryId: text('provider_delivery_id').notNull(),
    event: text('event').notNull(),
    /** HEALED: made by the reconciler for a push whose webhook never arrived. */
    cause: text('cause', { enum: ['RECEIVED', 'REPLAYED', 'HEALED'] })
      .notNull()
      .default('RECEIVED'),
    receivedAt: instant('received_at').notNull(),
    state: text('state', { enum: ['PENDING', 'HANDLED', 'SET_ASIDE'] })
      .notNull()
      .default('PENDING'),
    /** One sentence: what it started, or exactly why nothing. */
    outcome: text('outcome').notNull().default(''),
    /** Tries until the last one that came to an end; the queue counts those under way. */
    attempts: integer('attempts').notNull().default(0),
    /** When it is to be tried again, for people to read; the queue says when it is due. */
    nextAttemptAt: instant('next_attempt_at').notNull(),
    handledAt: instant('handled_at'),
    executionIds: uuid('execution_ids').array().$type<ExecutionId[]>().notNull().default([]),
    trace: text('trace'),
    /** The delivery whose payload this one repeats. */
    replayOf: id<DeliveryId>('replay_of'),
    /** The day of its payload's partition. */
    day: day('day').notNull(),
  },
  (table) => [
    uniqueIndex('deliveries_once').on(table.incomingWebhookId, table.providerDeliveryId),
    // Ids grow with time, so this one lists, pages, and finds what expired.
    index('deliveries_by_webhook').on(table.incomingWebhookId, table.id),
    // Lists those that no provider sent. Of one that arrives it hears nothing, and `cause` never
    // changes, so it costs neither an insert nor an end. An index on what an end writes would.
    index('deliveries_by_cause')
      .on(table.organizationId, table.cause, table.id)
      .where(sql`${table.cause} <> 'RECEIVED'`),
  ],
);

/**
 * What of the inbox is still to be handled, and what was set aside; a trigger on `deliveries` fills
 * it. Apart from the deliveries, because a queue is written all the time and has to stay small: its
 * dead rows are swept within the minute, which those of a table of months never are, and the end of
 * a delivery changes no index of theirs.
 */
export const deliveryQueue = pgTable(
  'delivery_queue',
  {
    deliveryId: id<DeliveryId>('delivery_id').primaryKey(),
    organizationId: id<OrganizationId>('organization_id').notNull(),
    dueAt: instant('due_at').notNull(),
    /** Claims so far. */
    attempts: integer('attempts').notNull().default(0),
    /** A claim was made of which nothing was heard yet; once it is due again, nothing ever will be. */
    isLeased: boolean('is_leased').notNull().default(false),
    isSetAside: boolean('is_set_aside').notNull().default(false),
  },
  (table) => [
    // By organization first: a claim goes from one to the next by one probe.
    index('delivery_queue_due')
      .on(table.organizationId, table.dueAt)
      .where(sql`not ${table.isSetAside}`),
    index('delivery_queue_set_aside')
      .on(table.organizationId, table.deliveryId)
      .where(sql`${table.isSetAside}`),
  ],
);

/** Raw bodies as they were signed, in day partitions. */
export const deliveryPayloads = pgTable(
  'delivery_payloads',
  {
    deliveryId: id<DeliveryId>('delivery_id').notNull(),
    day: day('day').notNull(),
    organizationId: id<OrganizationId>('organization_id').notNull(),
    /** The allow-listed headers; never a signature or a token. */
    headers: jsonb('headers').$type<Record<string, string>>().notNull(),
    body: bytes('body').notNull(),
  },
  (table) => [primaryKey({ columns: [table.deliveryId, table.day] })],
);
