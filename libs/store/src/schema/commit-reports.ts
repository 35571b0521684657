import type { ExecutionId, OrganizationId, ServiceId } from '@pilotfish/kernel';
import { index, integer, pgTable, primaryKey, text } from 'drizzle-orm/pg-core';
import { id, instant } from './columns.ts';
import { services } from './environments.ts';
import { organizations } from './identity.ts';

/**
 * What a Git provider was last told about a commit of a service. What it should be told is derived
 * from executions; where the two differ, it is told again.
 */
export const commitReports = pgTable(
  'commit_reports',
  {
    organizationId: id<OrganizationId>('organization_id')
      .notNull()
      .references(() => organizations.id),
    serviceId: id<ServiceId>('service_id')
      .notNull()
      .references(() => services.id),
    commitSha: text('commit_sha').notNull(),
    /** The name it goes by at the provider; kept, or a renamed service would leave one pending. */
    context: text('context').notNull().default(''),
    /** Of which execution the provider was told last; null before it was told anything. */
    executionId: id<ExecutionId>('execution_id'),
    /** The status that the provider was told last; null before. */
    status: text('status', { enum: ['pending', 'success', 'failure', 'canceled'] }),
    reportedAt: instant('reported_at'),
    lastError: text('last_error').notNull().default(''),
    /** Tries that failed since the last that did not. */
    failures: integer('failures').notNull().default(0),
    /** Not before; also what keeps a second process away while one tells the provider. */
    nextAttemptAt: instant('next_attempt_at').notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.serviceId, table.commitSha] }),
    index('commit_reports_organization').on(table.organizationId),
  ],
);
