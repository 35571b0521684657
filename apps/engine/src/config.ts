import { fields, tracingFields } from '@pilotfish/runtime';
import { z } from 'zod';

/** Every variable that the engine reads. */
export const Config = z.object({
  ENGINE_HOST: z
    .string()
    .default('127.0.0.1')
    .describe('Address of health and metrics; nothing else listens'),
  ENGINE_PORT: fields.port().default(9005).describe('Port of health and metrics; 0 chooses one'),
  ENGINE_DATA_DIR: z
    .string()
    .startsWith('/')
    .describe('Folder (mode 0700) with identity and journal; on a local disk, of one engine only'),
  ENGINE_APPLICATIONS_DIR: z
    .string()
    .startsWith('/')
    .optional()
    .describe(
      'Folder of builds and releases, of one engine only, with no node_modules in any folder above; left out, it is `target` in ENGINE_DATA_DIR',
    ),
  ENGINE_JOIN_TOKEN_FILE: z
    .string()
    .optional()
    .describe('File with the one-time join token; read only while this engine is not enrolled'),
  ENGINE_SLOTS: fields
    .whole(1, 64)
    .default(4)
    .describe('Executions at the same time; at most one per environment in any case'),
  CORE_API_URL: z
    .url()
    .default('http://127.0.0.1:9001')
    .describe('core-api, for enrolment and for new credentials'),
  NATS_URL: fields
    .natsUrl()
    .optional()
    .describe('nats-server; left out, it is what core-api names at the enrolment'),
  SUPERVISOR_SOCKET: z
    .string()
    .startsWith('/')
    .describe("The supervisor's unix socket: it runs the applications and keeps their output"),
  EDGE_ADMIN_SOCKET: z
    .string()
    .startsWith('/')
    .describe("The edge's unix socket: says which requests are still open while a release drains"),
  ROUTES_FILE: z
    .string()
    .startsWith('/')
    .describe('Routes for the edge, written by this engine alone; the edge answers beside it'),
  ENGINE_FETCH_SECONDS_MAX: fields
    .whole(5, 3600)
    .default(300)
    .describe('Fetching the source of one commit'),
  ENGINE_HEALTHY_SECONDS_MAX: fields
    .whole(1, 3600)
    .default(60)
    .describe('From a start until the probe has to pass, unless the probe asks for more'),
  ENGINE_DRAIN_SECONDS_MAX: fields
    .whole(0, 3600)
    .default(30)
    .describe('Open requests on an old release get this long to end'),
  ENGINE_STOP_GRACE_SECONDS: fields
    .whole(0, 600)
    .default(10)
    .describe('Between SIGTERM and SIGKILL of an application'),
  ENGINE_ARTEFACTS_KEPT: fields
    .whole(1, 100)
    .default(5)
    .describe(
      'Builds kept per service, the serving one included: how far back a rollback is quick',
    ),
  LOG_LEVEL: fields.logLevel().default('info').describe('Least severe level of its own log'),
  ...tracingFields,
});
export type Config = z.infer<typeof Config>;
