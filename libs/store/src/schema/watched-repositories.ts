import type { OrganizationId } from '@pilotfish/kernel';
import { index, integer, pgTable, primaryKey, text } from 'drizzle-orm/pg-core';
import { id, instant } from './columns.ts';
import { organizations } from './identity.ts';

/**
 * Repositories whose branches services follow, and when Git is next asked where those are. Whoever
 * claims a row moves `next_compare_at` ahead; a dead one's claim runs out with it.
 */
export const watchedRepositories = pgTable(
  'watched_repositories',
  {
    organizationId: id<OrganizationId>('organization_id')
      .notNull()
      .references(() => organizations.id),
    repositoryKey: text('repository_key').notNull(),
    /** Null before Git answered for the first time. */
    comparedAt: instant('compared_at'),
    nextCompareAt: instant('next_compare_at').notNull(),
    /** Comparisons that failed since the last that did not. */
    failures: integer('failures').notNull().default(0),
    /** Of the provider's list of branches as it was at `compared_at`; null: Git itself was asked. */
    etag: text('etag'),
  },
  (table) => [
    primaryKey({ columns: [table.organizationId, table.repositoryKey] }),
    index('watched_repositories_due').on(table.nextCompareAt),
  ],
);
