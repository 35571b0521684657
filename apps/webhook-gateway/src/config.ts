import { fields, tracingFields } from '@pilotfish/runtime';
import { z } from 'zod';

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
  LOG_LEVEL: fields.logLevel().default('info').describe('Lines below this level are not written'),
  ...tracingFields,
});
export type Config = z.infer<typeof Config>;
