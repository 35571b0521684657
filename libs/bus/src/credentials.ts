import { readFileSync } from 'node:fs';
import { jwtAuthenticator } from '@nats-io/nats-core';
import { Fault } from '@pilotfish/kernel';

/** A user's JWT and the seed that proves it is the user. */
export interface Credentials {
  readonly jwt: string;
  readonly seed: Uint8Array;
}

/** Asked before each connect, so that renewed credentials take effect without a restart. */
export type CredentialsSource = () => Credentials;

const block = /-{3,}BEGIN [^\n]*-{3,}\n([^\n]+)\n-{3,}END/g;

/**
 * Credentials from a file in NATS' own format, read again at each connect.
 *
 * @throws Fault `unavailable` where the file is missing, `invalid_input` where it is none
 */
export function credentialsFromFile(file: string): CredentialsSource {
  return () => {
    let text: string;
    try {
      text = readFileSync(file, 'utf8');
    } catch (cause) {
      throw new Fault('unavailable', `The NATS credentials ${file} cannot be read`, { cause });
    }
    return parseCredentials(text);
  };
}

/** @throws Fault `invalid_input` for a text without JWT and seed */
export function parseCredentials(text: string): Credentials {
  const [jwt, seed] = [...text.matchAll(block)].map((match) => match[1]?.trim());
  if (!jwt || !seed) throw new Fault('invalid_input', 'These are no NATS credentials');
  return { jwt, seed: new TextEncoder().encode(seed) };
}

/**
 * What the client calls when a server asks who it is. The client closes for ever when this throws,
 * so a source that fails answers with nobody: refused, and asked again at the next try.
 */
export function authenticatorOf(
  source: CredentialsSource,
  onFailure: (error: unknown) => void,
): ReturnType<typeof jwtAuthenticator> {
  return (nonce) => {
    try {
      const { jwt, seed } = source();
      return jwtAuthenticator(jwt, seed)(nonce);
    } catch (error) {
      onFailure(error);
      return undefined;
    }
  };
}
