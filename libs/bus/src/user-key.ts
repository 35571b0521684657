import { createUser, fromPublic, fromSeed } from '@nats-io/nkeys';

/** An identity on the bus. The seed is secret and stays where it was made. */
export interface UserKey {
  /** nkey, `U…`. */
  readonly publicKey: string;
  readonly seed: Uint8Array;
}

/** A new identity, e.g. of an engine at its enrolment. */
export function newUserKey(): UserKey {
  const pair = createUser();
  return { publicKey: pair.getPublicKey(), seed: pair.getSeed() };
}

/** The identity whose seed was kept. */
export function userKeyFromSeed(seed: Uint8Array): UserKey {
  return { publicKey: fromSeed(seed).getPublicKey(), seed };
}

/** Ed25519 signature, base64url: proves to core-api that the sender holds the key. */
export function signWithUserKey(key: UserKey, text: string): string {
  const signature = fromSeed(key.seed).sign(new TextEncoder().encode(text));
  return Buffer.from(signature).toString('base64url');
}

/** False for a forged signature and for anything that is no key or no signature. */
export function verifyUserSignature(publicKey: string, text: string, signature: string): boolean {
  try {
    const bytes = new Uint8Array(Buffer.from(signature, 'base64url'));
    return fromPublic(publicKey).verify(new TextEncoder().encode(text), bytes);
  } catch {
    return false;
  }
}
