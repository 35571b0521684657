import { createHash, createSecretKey, type KeyObject } from 'node:crypto';

/** A webhook's secret, prepared once for all requests that it verifies. */
export interface SigningSecret {
  /** Its text as the key: how most providers use it. */
  readonly textKey: KeyObject;
  /** As Standard Webhooks use it: `whsec_<base64 of the key>`; of another form, the text again. */
  readonly standardKey: KeyObject;
  /** SHA-256 of its text, for senders that send the secret itself. */
  readonly textHash: Buffer;
}

const standardPrefix = 'whsec_';

export function signingSecret(text: string): SigningSecret {
  const bytes = Buffer.from(text, 'utf8');
  const standardBytes = text.startsWith(standardPrefix)
    ? Buffer.from(text.slice(standardPrefix.length), 'base64')
    : bytes;
  return {
    textKey: createSecretKey(bytes),
    standardKey: createSecretKey(standardBytes),
    textHash: createHash('sha256').update(bytes).digest(),
  };
}
