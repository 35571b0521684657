/**
 * Keys as files: created once, mode 0600, complete or absent. A half-written key file would lock
 * its owner out of everything that was ever encrypted, so it is written beside its place, fsynced
 * and then linked; whoever links first wins and the others read the winner's.
 */
import { randomUUID } from 'node:crypto';
import { link, mkdir, open, readFile, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { Fault } from '@pilotfish/kernel';
import { keyBytes } from './bytes.ts';

/**
 * Creates the file with mode 0600, durably, unless it is there already.
 *
 * @returns true where this call made it
 */
export async function createSecretFile(file: string, content: string): Promise<boolean> {
  const folder = path.dirname(file);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const draft = path.join(folder, `.${path.basename(file)}.${randomUUID()}`);
  const handle = await open(draft, 'wx', 0o600);
  try {
    await handle.writeFile(content);
    await handle.sync();
  } finally {
    await handle.close();
  }
  try {
    await link(draft, file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  } finally {
    await rm(draft, { force: true });
  }
  await syncFolder(folder);
  return true;
}

/**
 * The content of a file that only its owner may read.
 *
 * @throws Fault `unavailable` where it cannot be read; `forbidden` where others can read it too: a
 * secret that was readable must be replaced, not used on
 */
export async function readSecretFile(file: string): Promise<string> {
  try {
    const { mode } = await stat(file);
    if ((mode & 0o077) === 0) return await readFile(file, 'utf8');
  } catch (error) {
    throw new Fault('unavailable', `The secret file ${file} cannot be read`, { cause: error });
  }
  throw new Fault('forbidden', `Others may read the secret file ${file}: it must have mode 0600`);
}

/** Stores one 32-byte key as a file (mode 0600), unless the file is there already. */
export async function createKeyFile(file: string, key: Uint8Array): Promise<boolean> {
  return await createSecretFile(file, `${Buffer.from(key).toString('base64url')}\n`);
}

/**
 * Reads what `createKeyFile` wrote.
 *
 * @throws Fault as `readSecretFile`, and `invalid_input` where it does not hold a 32-byte key
 */
export async function readKeyFile(file: string): Promise<Uint8Array> {
  const key = Buffer.from((await readSecretFile(file)).trim(), 'base64url');
  if (key.length !== keyBytes) {
    throw new Fault('invalid_input', `The key file ${file} does not hold a ${keyBytes}-byte key`);
  }
  return key;
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
