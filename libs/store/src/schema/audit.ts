import type { OrganizationId, PrincipalId } from '@pilotfish/kernel';
import { sql } from 'drizzle-orm';
import { index, jsonb, pgTable, text, uniqueIndex, uuid } from 'drizzle-orm/pg-core';
import { counter, id, instant } from './columns.ts';
import { organizations } from './identity.ts';

/**
 * Who did what, written in the transaction that did it. `position` and `hash` follow a moment later
 * by the chainer: a chain extended inside every transaction would serialise all writers.
 */
export const auditEvents = pgTable(
  'audit_events',
  {
    id: uuid('id').primaryKey(),
    organizationId: id<OrganizationId>('organization_id')
      .notNull()
      .references(() => organizations.id),
    at: instant('at').notNull(),
    actorId: id<PrincipalId>('actor_id').notNull(),
    actorKind: text('actor_kind').notNull(),
    actorName: text('actor_name').notNull(),
    /** `noun.verb`, past tense: `execution.requested`. */
    action: text('action').notNull(),
    targetKind: text('target_kind').notNull(),
    targetId: text('target_id').notNull(),
    detail: jsonb('detail').$type<Record<string, unknown>>().notNull(),
    trace: text('trace'),
    position: counter('position'),
    hash: text('hash'),
  },
  (table) => [
    uniqueIndex('audit_events_position').on(table.organizationId, table.position),
    index('audit_events_unchained')
      .on(table.organizationId, table.id)
      .where(sql`${table.position} is null`),
    index('audit_events_target').on(table.organizationId, table.targetKind, table.targetId),
  ],
);

/** The end of each organization's chain; its row lock is the chainer's lease. */
export const auditChains = pgTable('audit_chains', {
  organizationId: id<OrganizationId>('organization_id')
    .primaryKey()
    .references(() => organizations.id),
  position: counter('position').notNull(),
  hash: text('hash').notNull(),
});
