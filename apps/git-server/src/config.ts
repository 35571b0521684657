import { fields, tracingFields } from '@pilotfish/runtime';
import { z } from 'zod';

const mebibyte = 1024 * 1024;

/** Everything that configures this process; read once, in main.ts. */
export const Config = z.object({
  GIT_SERVER_HOST: z.string().default('127.0.0.1').describe('Address to listen on'),
  GIT_SERVER_PORT: fields.port().default(9004).describe('Port to listen on'),
  GIT_SERVER_PUBLIC_URL: z
    .url()
    .optional()
    .describe('How clients reach this server; default http://HOST:PORT'),
  GIT_SERVER_DATA_DIR: z
    .string()
    .describe('Folder of the bare repositories, the spool and the hooks; one server per folder'),
  PILOTFISH_IDENTITY_DIR: z
    .string()
    .describe(
      'Folder with git-server.key, from which access tokens and webhook secrets are derived',
    ),
  CORE_API_URL: z.url().describe('Where API tokens are checked and deliveries are asked for'),
  WEBHOOK_URL: z.url().describe('The webhook-gateway, to which every push is announced'),
  WEBSOCKET_URL: z.url().describe('The websocket-gateway, for the log that a pusher sees'),
  GIT_SERVER_PUSH_BYTES_MAX: fields
    .whole(1024, 64 * 1024 * mebibyte)
    .default(1024 * mebibyte)
    .describe('Largest push, in bytes'),
  GIT_SERVER_BACKENDS_MAX: fields
    .whole(1, 1000)
    .default(16)
    .describe('Clones and pushes at work side by side; more of them wait'),
  GIT_SERVER_FOLLOW_SECONDS_MAX: fields
    .whole(0, 3600)
    .default(900)
    .describe('How long a push stays to show the log of its deployment; 0 shows none'),
  GIT_SERVER_REMOVED_DAYS: fields
    .whole(0, 3650)
    .default(7)
    .describe('How long the folder of a deleted repository is kept once its name is used again'),
  LOG_LEVEL: fields.logLevel().default('info').describe('Least severe level that is logged'),
  ...tracingFields,
});
export type Config = z.infer<typeof Config>;
