import { fields } from '@pilotfish/runtime';
import { z } from 'zod';

/** Every variable that the edge reads. */
export const Config = z.object({
  EDGE_PORT: fields.port().default(8080).describe('TCP port on which applications are reached'),
  EDGE_LISTEN: z
    .string()
    .default('127.0.0.1')
    .describe('Address to listen on; loopback only unless something terminates TLS before it'),
  ROUTES_FILE: z
    .string()
    .startsWith('/')
    .describe('Routes as the engine writes them; the answer goes beside it as <file>.applied'),
  EDGE_ADMIN_SOCKET: z
    .string()
    .startsWith('/')
    .describe('Unix socket for health, metrics, applied routes and open requests; mode 0600'),
  EDGE_TRUST_FORWARDED: fields
    .flag()
    .default(false)
    .describe('Keep X-Forwarded-* of clients: only behind a proxy that sets them itself'),
  EDGE_HEADER_KIBIBYTES_MAX: fields
    .whole(4, 256)
    .default(32)
    .describe('Size of all headers of a request together; more is answered with 431'),
  EDGE_HEADER_SECONDS_MAX: fields
    .whole(1, 300)
    .default(15)
    .describe('Time for a client to send its headers'),
  EDGE_REQUEST_SECONDS_MAX: fields
    .whole(1, 86_400)
    .default(600)
    .describe('Time for a client to send its whole request'),
  EDGE_RESPONSE_SECONDS_MAX: fields
    .whole(1, 86_400)
    .default(120)
    .describe('Silence of an application before its answer begins; then 504'),
  EDGE_IDLE_SECONDS_MAX: fields
    .whole(1, 604_800)
    .default(3600)
    .describe('Silence within an answer or on a websocket before it is closed'),
  EDGE_CONNECTIONS_MAX: fields
    .whole(1, 1_000_000)
    .default(10_000)
    .describe('Open connections of clients; more are refused'),
  LOG_LEVEL: fields.logLevel().default('info').describe('Least severe level of its own log'),
});
export type Config = z.infer<typeof Config>;
