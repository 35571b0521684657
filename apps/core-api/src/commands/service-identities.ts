import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { Authority } from '@pilotfish/bus';
import { createKeyFile, type KeyRing, readSecretFile } from '@pilotfish/crypto';
import type { LoginRole, RolesOutcome } from '@pilotfish/store';
import { keyPurposes } from '../identity.ts';
import { replaceSecretFile } from './secret-file.ts';

/** Which login role's address lies in which file. core-api's parts may also run apart. */
const databaseUrlFiles: Readonly<Record<LoginRole, string>> = {
  core_api: 'core-api.database-url',
  api: 'core-api-api.database-url',
  worker: 'core-api-worker.database-url',
  webhook_gateway: 'webhook-gateway.database-url',
  websocket_gateway: 'websocket-gateway.database-url',
};

/**
 * Passwords of the services' database roles: those in the files, new ones where there is no file.
 * They are set again at every run, because a restored server may not know them.
 */
export async function databasePasswords(folder: string): Promise<Record<LoginRole, string>> {
  const entries = Object.entries(databaseUrlFiles).map(async ([role, file]) => {
    const known = await readSecretFile(join(folder, file)).catch(() => undefined);
    const password = known === undefined ? '' : decodeURIComponent(new URL(known).password);
    // Of our own making, and not what `shared_user` wrote.
    const isOurs = /^pf[\w-]{30,}$/.test(password);
    return [role, isOurs ? password : `pf${randomBytes(24).toString('base64url')}`] as const;
  });
  return Object.fromEntries(await Promise.all(entries)) as Record<LoginRole, string>;
}

/** Writes the address with which each service connects to the database. */
export async function writeDatabaseUrls(
  folder: string,
  options: {
    readonly adminUrl: string;
    readonly rolePrefix: string;
    readonly passwords: Record<LoginRole, string>;
    readonly roles: RolesOutcome;
  },
): Promise<void> {
  for (const [role, file] of Object.entries(databaseUrlFiles)) {
    const url = new URL(options.adminUrl);
    if (options.roles === 'own_roles') {
      url.username = `${options.rolePrefix}_${role}`;
      url.password = options.passwords[role as LoginRole];
    }
    await replaceSecretFile(join(folder, file), `${url.href}\n`);
  }
}

/**
 * NATS credentials of the services, written anew at every run, because a newer build may need other
 * permissions; and the single-purpose keys that the git-server and the webhook-gateway work with.
 */
export async function writeServiceKeys(
  folder: string,
  deps: { readonly authority: Authority; readonly keys: KeyRing },
): Promise<void> {
  for (const party of ['core-api', 'webhook-gateway', 'websocket-gateway', 'git-server'] as const) {
    const file = join(folder, `${party}.creds`);
    await replaceSecretFile(file, await deps.authority.serviceCredentials(party));
  }
  const { gitServer, incomingWebhooks } = keyPurposes;
  await createKeyFile(join(folder, 'git-server.key'), deps.keys.derive(gitServer));
  await createKeyFile(join(folder, 'webhook-gateway.key'), deps.keys.derive(incomingWebhooks));
}
