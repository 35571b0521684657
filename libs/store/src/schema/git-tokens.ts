import type { GitTokenId, OrganizationId, PrincipalId } from '@pilotfish/kernel';
import { index, integer, pgTable, text } from 'drizzle-orm/pg-core';
import { bytes, edited, id, instant } from './columns.ts';
import { organizations } from './identity.ts';

/**
 * Tokens of Git providers, with which repositories are read, webhooks kept and commit statuses
 * reported. A deleted one is gone as a row: its ciphertext must not lie on in backups.
 */
export const gitTokens = pgTable(
  'git_tokens',
  {
    id: id<GitTokenId>('id').primaryKey(),
    organizationId: id<OrganizationId>('organization_id')
      .notNull()
      .references(() => organizations.id),
    name: text('name').notNull(),
    description: text('description').notNull().default(''),
    /** As its owner says; a Gitea is known by `api_url`, since the wire has no word for it. */
    type: text('type', { enum: ['GITHUB', 'GITLAB', 'BITBUCKET'] }).notNull(),
    /** Where the provider's API is, without a slash at the end. */
    apiUrl: text('api_url').notNull(),
    /** Of Bitbucket only. */
    workspace: text('workspace'),
    /** Bound to `git_tokens/{id}` and `token_version`. */
    tokenCiphertext: bytes('token_ciphertext').notNull(),
    tokenVersion: integer('token_version').notNull().default(1),
    /** The provider asked not to be called with this token before. */
    pausedUntil: instant('paused_until'),
    createdBy: id<PrincipalId>('created_by').notNull(),
    ...edited,
  },
  (table) => [index('git_tokens_organization').on(table.organizationId, table.id)],
);
