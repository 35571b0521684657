import { join } from 'node:path';
import { createAuthority, openAuthorityKeys } from '@pilotfish/bus';
import { Fault, systemClock } from '@pilotfish/kernel';
import { identityPath } from '../identity.ts';
import type { Command } from './command.ts';
import { replaceSecretFile } from './secret-file.ts';

/**
 * `core-api nats-config`: makes the keys of operator and accounts where they are missing, and writes
 * the configuration with which nats-server is to start. Needs neither NATS nor the database: it runs
 * before both. Revoked engines are not in it; core-api pushes them at each connect.
 */
export const natsConfig: Command = async ({ config, logger }) => {
  const folder = config.NATS_SERVER_DIR;
  if (folder === undefined) {
    throw new Fault('invalid_input', 'NATS_SERVER_DIR must name the folder of nats-server');
  }
  const keys = await openAuthorityKeys(identityPath(config.PILOTFISH_IDENTITY_DIR, 'natsKeys'));
  const authority = createAuthority(keys, { clock: systemClock });
  const url = new URL(config.NATS_URL);
  const text = await authority.serverConfig(
    {
      host: url.hostname,
      port: Number(url.port === '' ? '4222' : url.port),
      serverName: 'pilotfish',
      storeFolder: join(folder, 'jetstream'),
      resolverFolder: join(folder, 'resolver'),
    },
    [],
  );
  const file = join(folder, 'nats-server.conf');
  await replaceSecretFile(file, text);
  logger.info({ file }, 'wrote the configuration of nats-server');
};
