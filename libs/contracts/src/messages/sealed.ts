import { z } from 'zod';

/**
 * A value that only one engine can open: HPKE to its sealing key (RFC 9180), bound to what it is
 * for by additional data, so that it cannot be moved to another execution.
 */
export const Sealed = z.looseObject({
  /** Which sealing key of the engine: its public part's SHA-256, base64url. */
  keyId: z.string(),
  /** HPKE encapsulated key, base64url. */
  encapsulated: z.string(),
  /** Ciphertext with its tag, base64url. */
  ciphertext: z.string(),
});
export type Sealed = z.infer<typeof Sealed>;
