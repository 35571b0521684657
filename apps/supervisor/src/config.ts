import { fields } from '@pilotfish/runtime';
import { z } from 'zod';

/** The PATH of a login shell on Debian: the platform's own tools are not on it. */
const usualPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** Every variable that the supervisor reads. */
export const Config = z.object({
  SUPERVISOR_SOCKET: z
    .string()
    .startsWith('/')
    .describe('Unix socket of the API; at most 107 bytes, made with mode 0600'),
  SUPERVISOR_STATE_DIR: z
    .string()
    .startsWith('/')
    .describe('Folder for records, output and logs; on a local disk, used by one supervisor only'),
  SUPERVISOR_PORT_FIRST: fields
    .whole(1024, 65_535)
    .default(21_000)
    .describe('First port given to applications; keep the range below the ephemeral ports (32768)'),
  SUPERVISOR_PORT_LAST: fields
    .whole(1024, 65_535)
    .default(24_999)
    .describe('Last port given to applications'),
  SUPERVISOR_APPLICATION_PATH: z
    .string()
    .default(usualPath)
    .describe('PATH of applications whose specification names none'),
  SUPERVISOR_INSTANCES_MAX: fields
    .whole(1, 5000)
    .default(500)
    .describe('Instances at a time; another one is refused'),
  SUPERVISOR_LOG_MEBIBYTES_PER_SERVICE: fields
    .whole(1, 10_240)
    .default(16)
    .describe('Kept log lines of one service; the oldest are dropped'),
  SUPERVISOR_LOG_MEBIBYTES_MAX: fields
    .whole(8, 102_400)
    .default(1024)
    .describe('Kept log lines of all services together'),
  LOG_LEVEL: fields.logLevel().default('info').describe('Least severe level of its own log'),
});
export type Config = z.infer<typeof Config>;
