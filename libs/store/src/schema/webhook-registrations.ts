import type {
  GitTokenId,
  IncomingWebhookId,
  OrganizationId,
  WebhookRegistrationId,
} from '@pilotfish/kernel';
import { sql } from 'drizzle-orm';
import { boolean, index, integer, pgTable, text, unique } from 'drizzle-orm/pg-core';
import { edited, id, instant } from './columns.ts';
import { incomingWebhooks } from './deliveries.ts';
import { gitTokens } from './git-tokens.ts';
import { organizations } from './identity.ts';

/**
 * The webhook that is kept at a Git provider for one repository. Life: PENDING (wanted, nothing known
 * of the provider) → ACTIVE (verified there) ⇄ FAILING (the last try failed; tried again) → the row
 * goes with the webhook once no service follows the repository any more.
 */
export const webhookRegistrations = pgTable(
  'webhook_registrations',
  {
    id: id<WebhookRegistrationId>('id').primaryKey(),
    organizationId: id<OrganizationId>('organization_id')
      .notNull()
      .references(() => organizations.id),
    repositoryKey: text('repository_key').notNull(),
    /** As one of the services that follow it has it. */
    repositoryUrl: text('repository_url').notNull(),
    gitTokenId: id<GitTokenId>('git_token_id')
      .notNull()
      .references(() => gitTokens.id),
    /** Where the provider is told to post to. */
    incomingWebhookId: id<IncomingWebhookId>('incoming_webhook_id')
      .notNull()
      .references(() => incomingWebhooks.id),
    /** The provider's id of the webhook; null before it was seen there. */
    providerHookId: text('provider_hook_id'),
    /** Found there with our address in it: somebody else made it, so it is not ours to remove. */
    isAdopted: boolean('is_adopted').notNull().default(false),
    /** The version of the secret that the provider was given last; null: none, or not known. */
    secretVersion: integer('secret_version'),
    state: text('state', { enum: ['PENDING', 'ACTIVE', 'FAILING'] })
      .notNull()
      .default('PENDING'),
    /** One sentence; empty where the last try went well. */
    lastError: text('last_error').notNull().default(''),
    /** When the provider was last seen to have all that is wanted. */
    verifiedAt: instant('verified_at'),
    /** Tries that failed since the last that did not. */
    failures: integer('failures').notNull().default(0),
    nextAttemptAt: instant('next_attempt_at').notNull(),
    /** One process at a time speaks to the provider about it; a dead one's claim runs out. */
    claimedUntil: instant('claimed_until'),
    /** Up to when the provider was asked for deliveries that failed. */
    deliveriesCheckedAt: instant('deliveries_checked_at'),
    /** The provider's id of the newest delivery that was looked at; the next look ends there. */
    newestDeliveryId: text('newest_delivery_id'),
    /** When the provider is asked next; whoever claims that moves it ahead. */
    deliveriesDueAt: instant('deliveries_due_at').notNull().default(sql`now()`),
    /** Such questions that failed since the last that did not. */
    deliveriesFailures: integer('deliveries_failures').notNull().default(0),
    ...edited,
  },
  (table) => [
    unique('webhook_registrations_repository').on(table.organizationId, table.repositoryKey),
    index('webhook_registrations_due').on(table.nextAttemptAt),
    index('webhook_registrations_deliveries_due').on(table.deliveriesDueAt),
    index('webhook_registrations_webhook').on(table.incomingWebhookId),
    index('webhook_registrations_token').on(table.gitTokenId),
  ],
);
