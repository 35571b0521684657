import { limits } from '@pilotfish/kernel';
import { fields, isHost, tracingFields } from '@pilotfish/runtime';
import { z } from 'zod';

/** The roles of this binary; one process runs any of them together. */
const roleNames = ['api', 'dispatcher', 'relay', 'ingester', 'reconciler'] as const;
export type RoleName = (typeof roleNames)[number];

/** Every variable of core-api, for all of its roles and one-shot commands. */
export const Config = z
  .object({
    CORE_API_ROLES: fields
      .list()
      .pipe(z.array(z.enum(roleNames)).min(1))
      .prefault(roleNames.join(','))
      .describe(`Which roles this process runs, of ${roleNames.join(', ')}`),
    CORE_API_HOST: z
      .string()
      .default('127.0.0.1')
      .describe('Address to listen on; without TLS in front, nothing but the loopback'),
    CORE_API_PORT: fields
      .port()
      .default(4100)
      .describe('Port of the HTTP API, of health and of metrics; 0 lets the system choose'),
    CORE_API_REPLICA_PORT: fields
      .port()
      .optional()
      .describe(
        'Port of this copy alone, where several run on one machine: CORE_API_PORT is then shared by all of them',
      ),
    PILOTFISH_IDENTITY_DIR: z
      .string()
      .min(1)
      .describe('Folder (mode 0700) with the keys and credentials that `core-api migrate` made'),
    DATABASE_URL: z
      .url()
      .optional()
      .describe(
        'PostgreSQL 15 or newer; for `migrate` a user that may create roles. Services leave it out and use core-api.database-url in the identity folder',
      ),
    DATABASE_CONNECTIONS: fields
      .whole(2, 200)
      .default(10)
      .describe('Connections to PostgreSQL at most'),
    DATABASE_ROLE_PREFIX: z
      .string()
      .regex(/^[a-z][a-z0-9_]{0,30}$/)
      .default('pilotfish')
      .describe(
        'How the names of the database roles begin; another one where two installations share a server',
      ),
    NATS_SERVER_DIR: z
      .string()
      .optional()
      .describe('For `nats-config`: folder for nats-server.conf and for what nats-server stores'),
    NATS_URL: fields
      .natsUrl()
      .default('nats://127.0.0.1:4222')
      .describe('nats-server in operator mode'),
    ENGINE_NATS_URL: fields
      .natsUrl()
      .optional()
      .describe('Where engines reach NATS, if it is not NATS_URL; told to them when they enrol'),
    WEBHOOK_PUBLIC_URL: z
      .url()
      .default('http://127.0.0.1:4101')
      .describe('Where Git providers reach the webhook-gateway; part of the URLs of webhooks'),
    GIT_SERVER_PUBLIC_URL: z
      .url()
      .default('http://127.0.0.1:9004')
      .describe('Where people and engines reach the git-server; part of the URLs of repositories'),
    GIT_PROVIDER_PRIVATE_HOSTS: fields
      .list()
      .pipe(
        z.array(
          z
            .string()
            .refine(isHost, 'must be hosts without scheme and port, such as git.example.com'),
        ),
      )
      .prefault('')
      .describe(
        'Hosts of Git providers in your own network (names or addresses as in the URLs of their APIs, without port), separated by commas; others are called only at public addresses and by https',
      ),
    APPLICATIONS_PUBLIC_URL: z
      .url()
      .default('http://localhost:8080')
      .describe('The edge: applications answer at its scheme and port under names below its host'),
    CORE_API_CACHE_DIR: z
      .string()
      .optional()
      .describe(
        'Folder of this process alone for clones of repositories; may be removed while it does not run. A temporary one unless told',
      ),
    DELIVERY_PAYLOAD_RETENTION_DAYS: fields
      .whole(1, 3650)
      .default(limits.payloadRetentionDays)
      .describe(
        'Days for which the raw bodies of deliveries are kept: so long one can be replayed',
      ),
    DELIVERY_RETENTION_DAYS: fields
      .whole(1, 3650)
      .default(limits.deliveryRetentionDays)
      .describe(
        'Days for which deliveries are kept with what came of them, and a repeat is recognised; at least as long as their bodies',
      ),
    GAP_HEALING_SECONDS: fields
      .whole(2, 3600)
      .default(60)
      .describe(
        'Seconds within which a push is found whose webhook never arrived: so often Git providers are asked what they could not deliver, and about twice as often each repository where its branches are (the built-in Git host: four times)',
      ),
    LOG_LEVEL: fields.logLevel().default('info').describe('Lines below this level are not written'),
    ...tracingFields,
  })
  .refine((config) => config.DELIVERY_RETENTION_DAYS >= config.DELIVERY_PAYLOAD_RETENTION_DAYS, {
    error: 'DELIVERY_RETENTION_DAYS must not be less than DELIVERY_PAYLOAD_RETENTION_DAYS',
  });
export type Config = z.infer<typeof Config>;
