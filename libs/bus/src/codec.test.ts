import { messages } from '@pilotfish/contracts';
import { limits } from '@pilotfish/kernel';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { decode, encode, parametersOf } from './codec.ts';
import { parseCredentials } from './credentials.ts';
import { envelope, taskMessageId } from './envelope.ts';
import { newUserKey, signWithUserKey, userKeyFromSeed, verifyUserSignature } from './user-key.ts';

const Body = z.looseObject({ n: z.int() });

test('a body comes back with the fields that only its sender knows', () => {
  const body = { n: 1, added: 'by a newer version' };
  expect(decode('s', Body, encode('s', Body, body))).toEqual(body);
});

test('what is no JSON, not as agreed or too large is refused, and its values are not repeated', () => {
  expect(() => decode('s', Body, Buffer.from('{'))).toThrow('no JSON');
  expect(() => decode('s', Body, Buffer.from([0xff, 0xfe]))).toThrow('no JSON');
  const secret = { n: 'a secret' } as unknown as { n: number };
  try {
    encode('s', Body, secret);
    expect.unreachable();
  } catch (error) {
    expect(JSON.stringify(error)).not.toContain('a secret');
    expect(error).toMatchObject({ code: 'internal', internal: expect.stringContaining('n:') });
  }
  const large = { n: 1, filler: 'x'.repeat(limits.messageBytesMax) };
  expect(() => encode('s', Body, large)).toThrow('256 KiB');
});

test("a body that names another cluster than its subject is nobody's message", () => {
  const subject = 'confirmed.c1';
  expect(parametersOf(messages.confirmed, subject, { confirmed: [] })).toEqual({ clusterId: 'c1' });
  expect(() => parametersOf(messages.confirmed, subject, { clusterId: 'c2' })).toThrow(
    'somebody else',
  );
});

test('an envelope has its defaults, and each attempt a message id of its own', () => {
  expect(envelope({ id: 'i', epoch: 2, generation: 3, trace: undefined })).toEqual({
    v: 1,
    id: 'i',
    epoch: 2,
    generation: 3,
    lease: 0,
    attempt: 1,
  });
  expect(taskMessageId('e', 1)).not.toBe(taskMessageId('e', 2));
});

test('a signature proves the key, and nothing else does', () => {
  const key = newUserKey();
  const signature = signWithUserKey(userKeyFromSeed(key.seed), 'text');
  expect(verifyUserSignature(key.publicKey, 'text', signature)).toBe(true);
  expect(verifyUserSignature(key.publicKey, 'texT', signature)).toBe(false);
  expect(verifyUserSignature(newUserKey().publicKey, 'text', signature)).toBe(false);
  expect(verifyUserSignature('no key', 'text', signature)).toBe(false);
  expect(verifyUserSignature(key.publicKey, 'text', '')).toBe(false);
});

test('what is no credentials file is told as such', () => {
  expect(() => parseCredentials('-----BEGIN NATS USER JWT-----\nx\n')).toThrow(
    'no NATS credentials',
  );
});
