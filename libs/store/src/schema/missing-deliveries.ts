import type { OrganizationId, WebhookRegistrationId } from '@pilotfish/kernel';
import { index, integer, pgTable, primaryKey, text } from 'drizzle-orm/pg-core';
import { id, instant } from './columns.ts';
import { organizations } from './identity.ts';
import { webhookRegistrations } from './webhook-registrations.ts';

/**
 * Events that a Git provider could not deliver to a webhook that is kept there, as the provider
 * remembers them. A row goes when the delivery is in the inbox, or too old to be asked for.
 */
export const missingDeliveries = pgTable(
  'missing_deliveries',
  {
    registrationId: id<WebhookRegistrationId>('registration_id')
      .notNull()
      .references(() => webhookRegistrations.id, { onDelete: 'cascade' }),
    /** As the delivery would be known in the inbox. */
    eventId: text('event_id').notNull(),
    organizationId: id<OrganizationId>('organization_id')
      .notNull()
      .references(() => organizations.id),
    /** The provider's id of its newest attempt. */
    deliveryId: text('delivery_id').notNull(),
    seenAt: instant('seen_at').notNull(),
    /** How often one more attempt was asked for. */
    requests: integer('requests').notNull().default(0),
    nextRequestAt: instant('next_request_at').notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.registrationId, table.eventId] }),
    index('missing_deliveries_organization').on(table.organizationId),
  ],
);
