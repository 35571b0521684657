/**
 * Secrets on their way to one engine: HPKE (RFC 9180), base mode, X25519 + HKDF-SHA-256 +
 * AES-256-GCM. Only the holder of the private key opens them; neither NATS nor a journal's reader.
 */
import { createHash, generateKeyPairSync } from 'node:crypto';
import { Aes256Gcm, CipherSuite, DhkemX25519HkdfSha256, HkdfSha256 } from '@hpke/core';
import type { Sealed } from '@pilotfish/contracts';
import { Fault } from '@pilotfish/kernel';
import { bindParts, keyBytes } from './bytes.ts';

const suite = new CipherSuite({
  kem: new DhkemX25519HkdfSha256(),
  kdf: new HkdfSha256(),
  aead: new Aes256Gcm(),
});
const info = new TextEncoder().encode('pilotfish/seal/v1');

/** Raw X25519 keys, base64url. Not an engine's identity: that key signs and is never used to open. */
export interface SealingKeyPair {
  readonly publicKey: string;
  readonly privateKey: string;
}

/** What a sealed value is for. It opens for nothing else, so it cannot be moved to another task. */
export interface SealBinding {
  readonly executionId: string;
  readonly serviceId: string;
  /** The place in the service's release: `secrets.NAME` or `source.password`. */
  readonly field: string;
}

export function newSealingKeyPair(): SealingKeyPair {
  const { x, d } = generateKeyPairSync('x25519').privateKey.export({ format: 'jwk' });
  if (!x || !d) throw new Fault('internal', 'No sealing key could be generated');
  return { publicKey: x, privateKey: d };
}

/** The id under which a sealed value names the key that opens it. */
function sealingKeyId(publicKey: string): string {
  return createHash('sha256').update(rawKey(publicKey)).digest('base64url');
}

/** @throws Fault `invalid_input` where the public key is none */
export async function sealTo(
  publicKey: string,
  plaintext: string,
  binding: SealBinding,
): Promise<Sealed> {
  const raw = rawKey(publicKey);
  try {
    const recipientPublicKey = await suite.kem.importKey('raw', arrayBuffer(raw), true);
    const { ct, enc } = await suite.seal(
      { recipientPublicKey, info: arrayBuffer(info) },
      arrayBuffer(Buffer.from(plaintext, 'utf8')),
      arrayBuffer(aadOf(binding)),
    );
    return {
      keyId: sealingKeyId(publicKey),
      encapsulated: Buffer.from(enc).toString('base64url'),
      ciphertext: Buffer.from(ct).toString('base64url'),
    };
  } catch (error) {
    throw new Fault('invalid_input', 'Nothing can be sealed to this key', { cause: error });
  }
}

/**
 * @throws Fault `invalid_input` where it was sealed to another key, for another purpose, or changed
 * on its way
 */
export async function openSealed(
  keyPair: SealingKeyPair,
  sealed: Sealed,
  binding: SealBinding,
): Promise<string> {
  if (sealed.keyId !== sealingKeyId(keyPair.publicKey)) {
    throw new Fault('invalid_input', 'A secret was sealed to another key than this engine has');
  }
  try {
    const recipientKey = await suite.kem.importKey(
      'raw',
      arrayBuffer(rawKey(keyPair.privateKey)),
      false,
    );
    const enc = arrayBuffer(Buffer.from(sealed.encapsulated, 'base64url'));
    const plaintext = await suite.open(
      { recipientKey, enc, info: arrayBuffer(info) },
      arrayBuffer(Buffer.from(sealed.ciphertext, 'base64url')),
      arrayBuffer(aadOf(binding)),
    );
    return Buffer.from(plaintext).toString('utf8');
  } catch (error) {
    throw new Fault('invalid_input', 'A sealed secret cannot be opened', { cause: error });
  }
}

function aadOf({ executionId, serviceId, field }: SealBinding): Uint8Array {
  return bindParts(['seal', 1, executionId, serviceId, field]);
}

function rawKey(text: string): Buffer {
  const raw = Buffer.from(text, 'base64url');
  if (raw.length !== keyBytes) {
    throw new Fault('invalid_input', 'A sealing key is 32 bytes, base64url');
  }
  return raw;
}

/** The library takes whole ArrayBuffers; a Buffer may be a window into a shared one. */
function arrayBuffer(bytes: Uint8Array): ArrayBuffer {
  const copy = new ArrayBuffer(bytes.byteLength);
  new Uint8Array(copy).set(bytes);
  return copy;
}
