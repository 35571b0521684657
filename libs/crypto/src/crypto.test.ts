import { randomBytes } from 'node:crypto';
import { chmod, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Fault, systemClock } from '@pilotfish/kernel';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { bindParts, constantTimeEqual, deriveKey } from './bytes.ts';
import { createKeyFile, readKeyFile } from './key-file.ts';
import { createKeyRing, type KeyRing, keyEncryptionOf } from './key-ring.ts';
import { newSealingKeyPair, openSealed, sealTo } from './sealed.ts';
import { hashToken, issueGitAccess, newToken, verifyGitAccess } from './token.ts';
import { decryptValue, encryptValue, type ValueBinding } from './value.ts';

let folder: string;
let keys: KeyRing;
const binding: ValueBinding = { organizationId: 'o1', row: 'variables/v1', version: 1 };

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'pilotfish-crypto-'));
  keys = await createKeyRing(path.join(folder, 'key-ring.json'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

test('the key ring is generated once, for its owner only, and then read back', async () => {
  const file = path.join(folder, 'deep', 'ring.json');
  const made = await Promise.all([createKeyRing(file), createKeyRing(file), createKeyRing(file)]);
  expect((await stat(file)).mode & 0o777).toBe(0o600);
  for (const ring of made) expect(ring.derive('a')).toEqual(made[0]?.derive('a'));
  const again = await createKeyRing(file);
  const ciphertext = await encryptValue(made[1]!, 'kept', binding);
  expect(await decryptValue(again, ciphertext, binding)).toBe('kept');
});

test('a key ring that others may read, or that is damaged, is refused', async () => {
  const file = path.join(folder, 'open.json');
  await createKeyRing(file);
  await chmod(file, 0o640);
  await expect(createKeyRing(file)).rejects.toThrow('0600');
  const damaged = path.join(folder, 'damaged.json');
  await writeFile(damaged, '{"version":1,"keys":[]}', { mode: 0o600 });
  await expect(createKeyRing(damaged)).rejects.toThrow('not a key ring');
});

test('every value comes back as it was, and no two ciphertexts of it are alike', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.string({ unit: 'grapheme', maxLength: 2000 }),
      fc.string(),
      fc.nat(),
      async (plaintext, row, version) => {
        const place = { organizationId: 'o1', row, version };
        const once = await encryptValue(keys, plaintext, place);
        const twice = await encryptValue(keys, plaintext, place);
        expect(Buffer.compare(once, twice)).not.toBe(0);
        expect(await decryptValue(keys, once, place)).toBe(plaintext);
      },
    ),
  );
});

test('a value opens in no other organization, row or version, and by no other key', async () => {
  const ciphertext = await encryptValue(keys, 'secret', binding);
  const elsewhere: ValueBinding[] = [
    { ...binding, organizationId: 'o2' },
    { ...binding, row: 'variables/v2' },
    { ...binding, version: 2 },
    // The same letters, cut at another place.
    { organizationId: 'o1v', row: 'ariables/v1', version: 1 },
  ];
  for (const place of elsewhere) {
    await expect(decryptValue(keys, ciphertext, place)).rejects.toBeInstanceOf(Fault);
  }
  const other = keyEncryptionOf(randomBytes(32));
  await expect(decryptValue(other, ciphertext, binding)).rejects.toBeInstanceOf(Fault);
});

test('a value with a missing or changed byte does not open', async () => {
  const ciphertext = Buffer.from(await encryptValue(keys, 'secret', binding));
  await fc.assert(
    fc.asyncProperty(
      fc.nat({ max: ciphertext.length - 1 }),
      fc.integer({ min: 1, max: 255 }),
      async (at, xor) => {
        const changed = Buffer.from(ciphertext);
        changed[at] = changed[at]! ^ xor;
        await expect(decryptValue(keys, changed, binding)).rejects.toBeInstanceOf(Fault);
        const cut = ciphertext.subarray(0, at);
        await expect(decryptValue(keys, cut, binding)).rejects.toBeInstanceOf(Fault);
      },
    ),
  );
});

test('a derived key opens what was encrypted for its purpose and nothing else', async () => {
  const file = path.join(folder, 'webhook-gateway.key');
  expect(await createKeyFile(file, keys.derive('hook secrets'))).toBe(true);
  expect(await createKeyFile(file, keys.derive('something else'))).toBe(false);
  const gateway = keyEncryptionOf(await readKeyFile(file));
  const core = keyEncryptionOf(keys.derive('hook secrets'));
  const hook = await encryptValue(core, 'hook', binding);
  expect(await decryptValue(gateway, hook, binding)).toBe('hook');
  const variable = await encryptValue(keys, 'variable', binding);
  await expect(decryptValue(gateway, variable, binding)).rejects.toBeInstanceOf(Fault);
  expect(deriveKey(keys.derive('a'), 'b')).not.toEqual(keys.derive('b'));
});

test('what is sealed to an engine opens there, for that purpose, and nowhere else', async () => {
  const engine = newSealingKeyPair();
  const other = newSealingKeyPair();
  const place = { executionId: 'e1', serviceId: 's1', field: 'secrets.TOKEN' };
  await fc.assert(
    fc.asyncProperty(fc.string({ unit: 'grapheme', maxLength: 500 }), async (plaintext) => {
      const sealed = await sealTo(engine.publicKey, plaintext, place);
      expect(await openSealed(engine, sealed, place)).toBe(plaintext);
    }),
    { numRuns: 25 },
  );
  const sealed = await sealTo(engine.publicKey, 'secret', place);
  const attempts = [
    () => openSealed(other, sealed, place),
    () => openSealed({ ...other, publicKey: engine.publicKey }, sealed, place),
    () => openSealed(engine, sealed, { ...place, executionId: 'e2' }),
    () => openSealed(engine, sealed, { ...place, field: 'secrets.OTHER' }),
    () => openSealed(engine, { ...sealed, ciphertext: sealed.ciphertext.slice(0, -4) }, place),
    () => openSealed(engine, { ...sealed, encapsulated: other.publicKey }, place),
    () => openSealed(engine, { ...sealed, encapsulated: '' }, place),
    () => sealTo('short', 'secret', place),
  ];
  for (const attempt of attempts) await expect(attempt()).rejects.toBeInstanceOf(Fault);
});

test('a git access token says what it grants, until it expires', () => {
  const key = randomBytes(32);
  const now = systemClock.now();
  const access = {
    repositoryId: 'r1',
    scope: 'read' as const,
    principal: 'engine:e1',
    expiresAt: now.add({ minutes: 5 }),
  };
  const token = issueGitAccess(key, access);
  expect(verifyGitAccess(key, token, now)).toEqual(access);
  expect(() => verifyGitAccess(key, token, access.expiresAt)).toThrow('expired');
  const writeToken = issueGitAccess(randomBytes(32), { ...access, scope: 'write' });
  for (const forged of [writeToken, token.slice(0, -1), `${token}.`, token.slice(4), '', 'pfg_.']) {
    expect(() => verifyGitAccess(key, forged, now)).toThrow('not valid');
  }
});

test('tokens are unlike each other and stored as a hash only', () => {
  const token = newToken('qov_');
  expect(token).toMatch(/^qov_[\w-]{43}$/);
  expect(newToken('qov_')).not.toBe(token);
  expect(hashToken(token)).toMatch(/^[0-9a-f]{64}$/);
  expect(constantTimeEqual(hashToken(token), hashToken(token))).toBe(true);
  expect(constantTimeEqual('a', 'ab')).toBe(false);
});

test('different lists of parts never give the same bytes', () => {
  fc.assert(
    fc.property(fc.array(fc.string()), fc.array(fc.string()), (a, b) => {
      const same = JSON.stringify(a) === JSON.stringify(b);
      expect(Buffer.compare(bindParts(a), bindParts(b)) === 0).toBe(same);
    }),
  );
});
