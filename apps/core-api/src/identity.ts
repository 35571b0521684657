import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { keyPurposes as purposes } from '@pilotfish/crypto';
import { Fault } from '@pilotfish/kernel';

/** Files below `PILOTFISH_IDENTITY_DIR`, all of mode 0600. */
export const identityFiles = {
  /** Keys that encrypt data keys, and from which single-purpose keys are derived. */
  keyRing: 'key-encryption.json',
  /** Folder of the NATS operator's and accounts' seeds. */
  natsKeys: 'nats',
  natsCredentials: 'core-api.creds',
  databaseUrl: 'core-api.database-url',
} as const;

/** The path of one of them. */
export function identityPath(folder: string, file: keyof typeof identityFiles): string {
  return join(folder, identityFiles[file]);
}

/**
 * The database of this service: `DATABASE_URL`, or what `migrate` wrote for it.
 *
 * @throws Fault `unavailable` where neither exists
 */
export async function databaseUrl(config: {
  readonly DATABASE_URL?: string | undefined;
  readonly PILOTFISH_IDENTITY_DIR: string;
}): Promise<string> {
  if (config.DATABASE_URL !== undefined) return config.DATABASE_URL;
  const file = identityPath(config.PILOTFISH_IDENTITY_DIR, 'databaseUrl');
  try {
    return (await readFile(file, 'utf8')).trim();
  } catch (cause) {
    const internal = `set DATABASE_URL, or run \`core-api migrate\`, which writes ${file}`;
    throw new Fault('unavailable', 'The database is not known', { internal, cause });
  }
}

/** The purposes of derived keys under the names that core-api uses; their texts are agreed in crypto. */
export const keyPurposes = {
  /** Opens the secrets of incoming webhooks: core-api and the webhook-gateway. */
  incomingWebhooks: purposes.hookSecrets,
  /** Signs git access tokens and derives managed webhooks' secrets: core-api and the git-server. */
  gitServer: purposes.gitServer,
  /** Hashes the requests of Idempotency-Keys: core-api alone. A new key only forgets a day of them. */
  idempotency: 'idempotency',
} as const;
