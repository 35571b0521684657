import { fields, tracingFields } from '@pilotfish/runtime';
import { z } from 'zod';
import { isAddressOrNetwork } from './sender-address.ts';

/** Everything that configures this process; read once, in main.ts. */
export const Config = z.object({
  // Behind a proxy that ends TLS; providers reach it from outside, so it is worth one.
  WEBHOOK_GATEWAY_HOST: z
    .string()
    .default('127.0.0.1')
    .describe('Address to listen on; without TLS in front, nothing but the loopback'),
  WEBHOOK_GATEWAY_PORT: fields
    .port()
    .default(4101)
    .describe('Port of webhooks, of health and of metrics; 0 lets the system choose'),
  WEBHOOK_GATEWAY_REPLICA_PORT: fields
    .port()
    .optional()
    .describe(
      'Port of this copy alone, where several run on one machine: WEBHOOK_GATEWAY_PORT is then shared by all of them',
    ),
  // Holds webhook-gateway.database-url, webhook-gateway.key and webhook-gateway.creds.
  PILOTFISH_IDENTITY_DIR: z
    .string()
    .min(1)
    .describe('Folder (mode 0700) with the key and credentials that `core-api migrate` made'),
  DATABASE_URL: z
    .url()
    .optional()
    .describe('PostgreSQL; default webhook-gateway.database-url in the identity folder'),
  // Two batches, one look-up of webhooks and one ping are all that ever runs side by side.
  DATABASE_CONNECTIONS: fields
    .whole(2, 50)
    .default(5)
    .describe('Connections to PostgreSQL at most'),
  NATS_URL: fields
    .natsUrl()
    .default('nats://127.0.0.1:4222')
    .describe('Where the doorbell is rung; deliveries are taken without it as well'),
  // Twice the largest body is the least with which a large one never waits for itself.
  WEBHOOK_GATEWAY_BODY_MEBIBYTES_MAX: fields
    .whole(50, 16_384)
    .default(128)
    .describe('Bodies in memory together, in MiB; beyond it senders are told to come back'),
  WEBHOOK_GATEWAY_HOOK_PER_SECOND_MAX: fields
    .whole(0, 1_000_000)
    .default(1000)
    .describe(
      'Deliveries of one webhook per second in each replica, twice as many at once; beyond it its senders are told to come back. 0 for no limit',
    ),
  // A provider sends for all of its customers from a few addresses.
  WEBHOOK_GATEWAY_ADDRESS_PER_SECOND_MAX: fields
    .whole(0, 1_000_000)
    .default(5000)
    .describe('The same for one address that sends, or one IPv6 network of 64 bits'),
  WEBHOOK_GATEWAY_TRUSTED_PROXIES: fields
    .list()
    .pipe(
      z.array(
        z.string().refine(isAddressOrNetwork, 'must be addresses or networks, such as 10.0.0.0/8'),
      ),
    )
    .prefault('')
    .describe(
      'Addresses and networks of proxies in front, separated by commas: who sends is then read from their X-Forwarded-For',
    ),
  LOG_LEVEL: fields.logLevel().default('info').describe('Lines below this level are not written'),
  ...tracingFields,
});
export type Config = z.infer<typeof Config>;
