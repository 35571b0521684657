/**
 * The kinds of signature that providers use, as pure functions. All of them compare in constant
 * time, try every secret whether or not an earlier one matched, and do the same work for a
 * malformed signature as for a wrong one. A refusal hashes the same whatever was asked: how many
 * secrets a webhook has, how its provider signs and whether it exists cannot be told by a clock.
 */
import { createHash, createHmac, createSecretKey, randomBytes } from 'node:crypto';
import { constantTimeEqual } from '@pilotfish/crypto';
import type { SigningSecret } from './signing-secret.ts';

/** Header names in lower case, as Node gives them. */
export type RequestHeaders = Readonly<Record<string, string | string[] | undefined>>;

/** A request as it came and the secrets of which one must have signed it. */
export interface SignedRequest {
  readonly headers: RequestHeaders;
  /** The raw bytes: parsing and printing again would change what was signed. */
  readonly body: Uint8Array;
  /** The current one, and the previous one while both are valid after a rotation. */
  readonly secrets: readonly SigningSecret[];
  readonly now: Temporal.Instant;
}

/** The value of a header that came exactly once and is not empty. */
export function headerOf(headers: RequestHeaders, name: string): string | null {
  const value = headers[name];
  return typeof value === 'string' && value !== '' ? value : null;
}

/** No HMAC-SHA-256 of anything that one could find: stands in for a signature that is none. */
const impossible = Buffer.alloc(32);
const impossibleHex = impossible.toString('hex');

/**
 * What every refusal comes to: as many bodies hashed and compared as the two secrets of a rotation
 * ask for, a signature read from its digits, and a token hashed once and compared as often.
 */
const refusal = { bodies: 2, decodings: 1, tokenHashes: 1, tokens: 2 };
const nobodysKey = createSecretKey(randomBytes(32));

/** Does in vain what this refusal has not done and another one would have. */
function refused(request: SignedRequest, done: Partial<typeof refusal>): false {
  for (let count = done.bodies ?? 0; count < refusal.bodies; count += 1) {
    constantTimeEqual(impossible, createHmac('sha256', nobodysKey).update(request.body).digest());
  }
  for (let count = done.decodings ?? 0; count < refusal.decodings; count += 1) {
    constantTimeEqual(impossible, Buffer.from(impossibleHex, 'hex'));
  }
  let hash: Uint8Array = impossible;
  for (let count = done.tokenHashes ?? 0; count < refusal.tokenHashes; count += 1)
    hash = sha256('');
  for (let count = done.tokens ?? 0; count < refusal.tokens; count += 1) {
    constantTimeEqual(impossible, hash);
  }
  return false;
}

/** `<prefix><64 hex digits>`: the HMAC-SHA-256 of the body, the secret's text being the key. */
export function hasHexSignature(
  request: SignedRequest,
  signature: string | null,
  prefix: '' | 'sha256=',
): boolean {
  const hex = signature?.startsWith(prefix) ? signature.slice(prefix.length) : '';
  const wellFormed = /^[0-9a-f]{64}$/i.test(hex);
  const given = Buffer.from(wellFormed ? hex : impossibleHex, 'hex');
  let matches = false;
  for (const { textKey } of request.secrets) {
    const expected = createHmac('sha256', textKey).update(request.body).digest();
    if (constantTimeEqual(given, expected)) matches = true;
  }
  const { length: bodies } = request.secrets;
  return (matches && wellFormed) || refused(request, { bodies, decodings: 1 });
}

/** The secret itself as a header. Hashed first, so that not even its length can be measured. */
export function hasSecretToken(request: SignedRequest, token: string | null): boolean {
  const given = sha256(token ?? '');
  let matches = false;
  for (const { textHash } of request.secrets) {
    if (constantTimeEqual(given, textHash)) matches = true;
  }
  const { length: tokens } = request.secrets;
  return (matches && token !== null) || refused(request, { tokenHashes: 1, tokens });
}

/** How far a Standard Webhooks timestamp may be from our clock, in either direction. */
const timestampToleranceSeconds = 300;
/** A sender that rotates its keys sends one signature per key; more than a few are noise. */
const signaturesMax = 8;

/**
 * Standard Webhooks: `webhook-signature` holds `v1,<base64>` entries separated by spaces, each the
 * HMAC-SHA-256 of `id.timestamp.body`.
 */
export function hasStandardSignature(request: SignedRequest): boolean {
  const { body, headers, now, secrets } = request;
  const id = headerOf(headers, 'webhook-id') ?? '';
  const timestamp = headerOf(headers, 'webhook-timestamp') ?? '';
  const given = (headerOf(headers, 'webhook-signature') ?? '')
    .split(' ')
    .slice(0, signaturesMax)
    .flatMap((entry) => {
      // The last digit of 32 bytes has two bits to spare, which encoders leave zero.
      const base64 = /^v1,([A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=)$/.exec(entry)?.[1];
      return base64 === undefined ? [] : [Buffer.from(base64, 'base64')];
    });
  let matches = false;
  for (const { standardKey } of secrets) {
    const mac = createHmac('sha256', standardKey);
    const expected = mac.update(`${id}.${timestamp}.`).update(body).digest();
    for (const signature of given.length > 0 ? given : [impossible]) {
      if (constantTimeEqual(signature, expected)) matches = true;
    }
  }
  const isTaken = matches && id !== '' && isTimely(timestamp, now);
  return isTaken || refused(request, { bodies: secrets.length });
}

/** The tolerance is what keeps a recorded delivery from being played back later. */
function isTimely(timestamp: string, now: Temporal.Instant): boolean {
  if (!/^\d{1,12}$/.test(timestamp)) return false;
  const ageSeconds = now.epochMilliseconds / 1000 - Number(timestamp);
  return Math.abs(ageSeconds) <= timestampToleranceSeconds;
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text, 'utf8').digest();
}
