/**
 * The four keys of the NATS operator, as files of mode 0600 in one folder: made once, before NATS
 * starts for the first time, and backed up together with the database. Whoever has them can admit
 * anybody, so only core-api and the one-shot that writes the server's configuration read them.
 */
import path from 'node:path';
import { createAccount, createOperator, fromSeed, type KeyPair } from '@nats-io/nkeys';
import { createSecretFile, readSecretFile } from '@pilotfish/crypto';
import { Fault } from '@pilotfish/kernel';

export interface AuthorityKeys {
  readonly operator: KeyPair;
  readonly systemAccount: KeyPair;
  /** The account in which all of Pilotfish's subjects live. */
  readonly account: KeyPair;
  /** Signs users; replaceable without giving the account another name. */
  readonly accountSigning: KeyPair;
}

const keyFiles = {
  operator: { name: 'operator.seed', make: createOperator, prefix: 'SO' },
  systemAccount: { name: 'system-account.seed', make: createAccount, prefix: 'SA' },
  account: { name: 'account.seed', make: createAccount, prefix: 'SA' },
  accountSigning: { name: 'account-signing.seed', make: createAccount, prefix: 'SA' },
} as const;

/**
 * Reads the keys in `folder`, making those that are missing.
 *
 * @throws Fault `forbidden` where others may read a key, `invalid_input` where a file holds none
 */
export async function openAuthorityKeys(folder: string): Promise<AuthorityKeys> {
  const read = async ({ name, make, prefix }: (typeof keyFiles)[keyof typeof keyFiles]) => {
    const file = path.join(folder, name);
    await createSecretFile(file, `${new TextDecoder().decode(make().getSeed())}\n`);
    return await readSeed(file, prefix);
  };
  return {
    operator: await read(keyFiles.operator),
    systemAccount: await read(keyFiles.systemAccount),
    account: await read(keyFiles.account),
    accountSigning: await read(keyFiles.accountSigning),
  };
}

async function readSeed(file: string, prefix: string): Promise<KeyPair> {
  const seed = (await readSecretFile(file)).trim();
  try {
    if (seed.startsWith(prefix)) return fromSeed(new TextEncoder().encode(seed));
  } catch {
    // Said below; the library's message could repeat the seed.
  }
  throw new Fault(
    'invalid_input',
    `The file ${file} does not hold a key of the kind it is named for`,
  );
}
