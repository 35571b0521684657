import { hkdfSync, timingSafeEqual } from 'node:crypto';

/** Length of every symmetric key here, in bytes (AES-256, HMAC-SHA-256). */
export const keyBytes = 32;

/**
 * Several texts as one, so that no two different lists give the same bytes: each part is preceded
 * by its length. Joining with a separator would let a part contain the separator.
 */
export function bindParts(parts: readonly (string | number)[]): Uint8Array {
  const chunks: Buffer[] = [];
  for (const part of parts) {
    const bytes = Buffer.from(String(part), 'utf8');
    const length = Buffer.alloc(4);
    length.writeUInt32BE(bytes.length);
    chunks.push(length, bytes);
  }
  return Buffer.concat(chunks);
}

/**
 * A key for one purpose out of another key (HKDF-SHA-256): whoever holds the result can neither
 * compute the key it came from nor that of another purpose.
 *
 * @returns 32 bytes, always the same for the same key and purpose
 */
export function deriveKey(key: Uint8Array, purpose: string): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', key, '', `pilotfish/v1/${purpose}`, keyBytes));
}

/**
 * Compares without telling by its duration where the first difference is. That lengths differ may
 * be seen: the lengths of tokens and MACs are public.
 */
export function constantTimeEqual(a: Uint8Array | string, b: Uint8Array | string): boolean {
  const left = typeof a === 'string' ? Buffer.from(a, 'utf8') : a;
  const right = typeof b === 'string' ? Buffer.from(b, 'utf8') : b;
  return left.length === right.length && timingSafeEqual(left, right);
}
