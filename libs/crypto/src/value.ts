/**
 * Secret values at rest: a data key per value, itself encrypted by the key ring, both bound to the
 * row they belong to. Layout: version, length of key id, key id, length of wrapped key (2 bytes),
 * wrapped key, then the value under the data key.
 */
import { randomBytes } from 'node:crypto';
import { bindParts, keyBytes } from './bytes.ts';
import { cannotOpen, type KeyEncryption, open, seal } from './key-ring.ts';

const formatVersion = 1;

/** Where a ciphertext belongs. It opens nowhere else, so swapping rows in the database is noticed. */
export interface ValueBinding {
  readonly organizationId: string;
  /** Table and id, e.g. `variables/0199…`. */
  readonly row: string;
  /** The version of the value, not of the row: an old value cannot be put back under a new version. */
  readonly version: number;
}

/** Encrypts a text for one row; the result differs each time. */
export async function encryptValue(
  keys: KeyEncryption,
  plaintext: string,
  binding: ValueBinding,
): Promise<Uint8Array> {
  const aad = aadOf(binding);
  const dataKey = randomBytes(keyBytes);
  const { keyId, wrapped } = await keys.wrap(dataKey, aad);
  const id = Buffer.from(keyId, 'utf8');
  const wrappedLength = Buffer.alloc(2);
  wrappedLength.writeUInt16BE(wrapped.length);
  const head = Buffer.of(formatVersion, id.length);
  const body = seal(dataKey, Buffer.from(plaintext, 'utf8'), aad);
  return Buffer.concat([head, id, wrappedLength, wrapped, body]);
}

/** @throws Fault `internal` for another binding, another key ring, or a changed or missing byte */
export async function decryptValue(
  keys: KeyEncryption,
  ciphertext: Uint8Array,
  binding: ValueBinding,
): Promise<string> {
  const aad = aadOf(binding);
  const { keyId, wrapped, body } = split(Buffer.from(ciphertext));
  const dataKey = await keys.unwrap({ keyId, wrapped }, aad);
  if (dataKey.length !== keyBytes) throw cannotOpen('the data key has another length');
  return Buffer.from(open(dataKey, body, aad)).toString('utf8');
}

function aadOf({ organizationId, row, version }: ValueBinding): Uint8Array {
  return bindParts(['value', formatVersion, organizationId, row, version]);
}

function split(bytes: Buffer): { keyId: string; wrapped: Buffer; body: Buffer } {
  const idLength = bytes[1];
  if (bytes[0] !== formatVersion || idLength === undefined) throw cannotOpen('unknown format');
  const wrappedAt = 2 + idLength + 2;
  if (bytes.length < wrappedAt) throw cannotOpen('truncated');
  const bodyAt = wrappedAt + bytes.readUInt16BE(2 + idLength);
  if (bytes.length < bodyAt) throw cannotOpen('truncated');
  return {
    keyId: bytes.toString('utf8', 2, 2 + idLength),
    wrapped: bytes.subarray(wrappedAt, bodyAt),
    body: bytes.subarray(bodyAt),
  };
}
