import { chmod, mkdir } from 'node:fs/promises';
import { createAuthority, openAuthorityKeys } from '@pilotfish/bus';
import { createKeyRing } from '@pilotfish/crypto';
import { Fault, systemClock } from '@pilotfish/kernel';
import {
  ensureControlPlane,
  ensurePartitions,
  migrate as migrateStore,
  openStore,
} from '@pilotfish/store';
import { identityPath } from '../identity.ts';
import type { Command } from './command.ts';
import { firstBoot, keepJoinToken } from './first-boot.ts';
import { databasePasswords, writeDatabaseUrls, writeServiceKeys } from './service-identities.ts';

/**
 * `core-api migrate`: everything that must exist before the services start. Migrations, database
 * roles, the services' identities as files of mode 0600, and on the first run the organization, its
 * administrator, the cluster of this machine. Idempotent; a run that was killed is made good by the
 * next one. Needs the database, not NATS.
 */
export const migrate: Command = async ({ config, logger }) => {
  const adminUrl = config.DATABASE_URL;
  if (adminUrl === undefined) {
    throw new Fault(
      'invalid_input',
      'DATABASE_URL must name a database whose owner may migrate it',
    );
  }
  const folder = config.PILOTFISH_IDENTITY_DIR;
  const rolePrefix = config.DATABASE_ROLE_PREFIX;
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await chmod(folder, 0o700);
  const keys = await createKeyRing(identityPath(folder, 'keyRing'));
  const authorityKeys = await openAuthorityKeys(identityPath(folder, 'natsKeys'));
  const authority = createAuthority(authorityKeys, { clock: systemClock });

  const passwords = await databasePasswords(folder);
  const outcome = await migrateStore({ url: adminUrl, rolePrefix, passwords });
  logger.info({ applied: outcome.applied, roles: outcome.roles }, 'the schema is up to date');
  if (outcome.roles === 'shared_user') {
    logger.warn(
      'the user of DATABASE_URL may not create roles: all services share it, tenants stay apart',
    );
  }
  await writeDatabaseUrls(folder, { adminUrl, rolePrefix, passwords, roles: outcome.roles });
  await writeServiceKeys(folder, { authority, keys });

  const store = await openStore({ url: adminUrl, name: 'core-api-migrate', max: 2, rolePrefix });
  try {
    const now = systemClock.now();
    const controlPlane = await store.system('worker', async (tx) => {
      await ensurePartitions(tx, now);
      return await ensureControlPlane(tx, now);
    });
    if (controlPlane === 'restored') {
      logger.warn('the database is a restored backup: it goes on under a new epoch');
    }
    const deps = { store, keys, now, folder };
    if (await firstBoot(deps)) logger.info('made the first organization and its administrator');
    await keepJoinToken(deps);
  } finally {
    await store.close();
  }
};
