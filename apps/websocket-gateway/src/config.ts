import { fields } from '@pilotfish/runtime';
import { z } from 'zod';

/** Everything that configures this process; read once, in main.ts. */
export const Config = z.object({
  WEBSOCKET_GATEWAY_HOST: z
    .string()
    .default('127.0.0.1')
    .describe('Address to listen on; without TLS in front, nothing but the loopback'),
  WEBSOCKET_GATEWAY_PORT: fields
    .port()
    .default(4102)
    .describe('Port of the websockets, of health and of metrics; 0 lets the system choose'),
  WEBSOCKET_GATEWAY_REPLICA_PORT: fields
    .port()
    .optional()
    .describe(
      'Port of this copy alone, where several run on one machine: WEBSOCKET_GATEWAY_PORT is then shared by all of them',
    ),
  PILOTFISH_IDENTITY_DIR: z
    .string()
    .min(1)
    .describe('Folder (mode 0700) with the credentials that `core-api migrate` made'),
  DATABASE_URL: z
    .url()
    .optional()
    .describe('PostgreSQL; default websocket-gateway.database-url in the identity folder'),
  DATABASE_CONNECTIONS: fields
    .whole(1, 200)
    .default(5)
    .describe('Connections to PostgreSQL at most'),
  NATS_URL: fields
    .natsUrl()
    .default('nats://127.0.0.1:4222')
    .describe('Where live messages come from; without it stored history is polled'),
  WEBSOCKET_GATEWAY_CLIENTS_MAX: fields
    .whole(1, 100_000)
    .default(2000)
    .describe('Open websockets at most; more are told to come back'),
  WEBSOCKET_GATEWAY_QUEUE_BYTES_MAX: fields
    .whole(16 * 1024, 64 * 1024 * 1024)
    .default(1024 * 1024)
    .describe('Bytes that may wait for one client'),
  WEBSOCKET_GATEWAY_STALL_SECONDS_MAX: fields
    .whole(1, 600)
    .default(10)
    .describe('How long that queue may stay full before the client is cut off'),
  WEBSOCKET_GATEWAY_PING_SECONDS: fields
    .whole(1, 600)
    .default(20)
    .describe('Between two pings; a client that answers none until the next is dropped'),
  LOG_LEVEL: fields.logLevel().default('info').describe('Lines below this level are not written'),
});
export type Config = z.infer<typeof Config>;
