/**
 * The keys that encrypt data keys. They stay behind `KeyEncryption`, so that a cloud's key service
 * can take the file's place without another format of the stored values.
 */
import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';
import { Fault } from '@pilotfish/kernel';
import { deriveKey as deriveFrom, keyBytes } from './bytes.ts';
import { createSecretFile, readSecretFile } from './key-file.ts';

const nonceBytes = 12;
const tagBytes = 16;

/** A data key under a key-encryption key, and which one that was. */
export interface WrappedKey {
  readonly keyId: string;
  readonly wrapped: Uint8Array;
}

/** Encrypts and decrypts data keys. Never shows its own key. */
export interface KeyEncryption {
  wrap(dataKey: Uint8Array, aad: Uint8Array): Promise<WrappedKey>;
  /** @throws Fault `internal` for an unknown key id, another aad or a changed byte */
  unwrap(wrapped: WrappedKey, aad: Uint8Array): Promise<Uint8Array>;
}

/** A `KeyEncryption` that also gives out keys for single purposes. */
export interface KeyRing extends KeyEncryption {
  /** 32 bytes for one purpose, the same after every restart and every rotation. */
  derive(purpose: string): Uint8Array;
}

interface KeyRingFile {
  readonly version: 1;
  /** Only derived keys come from here, so that adding a key below changes none of them. */
  readonly derivation: string;
  /** The first encrypts; all decrypt. A new key goes to the front, the old ones stay. */
  readonly keys: readonly string[];
}

/**
 * Opens the key ring in `keyFile`; generates it (mode 0600) where there is none.
 *
 * @throws Fault `forbidden` where others may read the file, `invalid_input` where it is no key ring
 */
export async function createKeyRing(keyFile: string): Promise<KeyRing> {
  const fresh: KeyRingFile = {
    version: 1,
    derivation: randomBytes(keyBytes).toString('base64url'),
    keys: [randomBytes(keyBytes).toString('base64url')],
  };
  await createSecretFile(keyFile, `${JSON.stringify(fresh, null, 2)}\n`);
  const content = parseKeyRing(await readSecretFile(keyFile), keyFile);
  const encryption = encryptionOf(content.keys.map((key) => Buffer.from(key, 'base64url')));
  const derivation = Buffer.from(content.derivation, 'base64url');
  return { ...encryption, derive: (purpose) => deriveFrom(derivation, purpose) };
}

/**
 * A `KeyEncryption` of one given key: how a service that holds nothing but a derived key (the
 * webhook gateway's, for hook secrets) opens what was encrypted with it.
 */
export function keyEncryptionOf(key: Uint8Array): KeyEncryption {
  return encryptionOf([key]);
}

function encryptionOf(keys: readonly Uint8Array[]): KeyEncryption {
  const byId = new Map(keys.map((key) => [keyIdOf(key), key]));
  const [primary] = keys;
  if (!primary || keys.some((key) => key.length !== keyBytes)) {
    throw new Fault(
      'invalid_input',
      `A key ring holds at least one key, of ${keyBytes} bytes each`,
    );
  }
  return {
    async wrap(dataKey, aad) {
      return { keyId: keyIdOf(primary), wrapped: seal(primary, dataKey, aad) };
    },
    async unwrap({ keyId, wrapped }, aad) {
      const key = byId.get(keyId);
      if (!key) throw cannotOpen(`no key ${keyId} in the key ring`);
      return open(key, wrapped, aad);
    },
  };
}

/** Nonce, ciphertext and tag of AES-256-GCM, one after the other. */
export function seal(key: Uint8Array, plaintext: Uint8Array, aad: Uint8Array): Uint8Array {
  const nonce = randomBytes(nonceBytes);
  const cipher = createCipheriv('aes-256-gcm', key, nonce, { authTagLength: tagBytes });
  cipher.setAAD(aad);
  return Buffer.concat([nonce, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
}

/** @throws Fault `internal` unless key, aad and every byte are those of `seal` */
export function open(key: Uint8Array, sealed: Uint8Array, aad: Uint8Array): Uint8Array {
  if (sealed.length < nonceBytes + tagBytes) throw cannotOpen('shorter than its nonce and tag');
  const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, nonceBytes), {
    authTagLength: tagBytes,
  });
  decipher.setAAD(aad);
  decipher.setAuthTag(sealed.subarray(sealed.length - tagBytes));
  try {
    const ciphertext = sealed.subarray(nonceBytes, sealed.length - tagBytes);
    return Buffer.concat([decipher.update(ciphertext), decipher.final()]);
  } catch (error) {
    throw cannotOpen('authentication failed', error);
  }
}

/** What every failure to decrypt looks like from outside: all alike, so that none is an oracle. */
export function cannotOpen(internal: string, cause?: unknown): Fault {
  return new Fault('internal', 'A stored value cannot be decrypted', { internal, cause });
}

/** Not secret: tells which key, by 8 bytes of its hash under a context of its own. */
function keyIdOf(key: Uint8Array): string {
  return createHash('sha256').update('pilotfish/key-id/').update(key).digest('hex').slice(0, 16);
}

function parseKeyRing(text: string, keyFile: string): KeyRingFile {
  let content: Partial<KeyRingFile> | null = null;
  try {
    content = JSON.parse(text) as Partial<KeyRingFile>;
  } catch {
    // Judged below together with every other wrong content; the text itself is never shown.
  }
  const isKey = (value: unknown): value is string =>
    typeof value === 'string' && Buffer.from(value, 'base64url').length === keyBytes;
  const { version, derivation, keys } = content ?? {};
  if (version === 1 && isKey(derivation) && Array.isArray(keys) && keys.length > 0) {
    if (keys.every(isKey)) return { version, derivation, keys };
  }
  throw new Fault('invalid_input', `The file ${keyFile} is not a key ring of this version`);
}
