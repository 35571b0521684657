import { systemClock } from '@pilotfish/kernel';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { keptHeaders, type Provider, providers } from './providers.ts';
import type { RequestHeaders } from './signatures.ts';
import { signingSecret } from './signing-secret.ts';

const now = systemClock.now();
const nowSeconds = String(Math.floor(now.epochMilliseconds / 1000));

/** HMAC by Web Crypto and not by what the code under test uses. */
async function hmac(key: Uint8Array, ...parts: readonly Uint8Array[]): Promise<Buffer> {
  const algorithm = { name: 'HMAC', hash: 'SHA-256' };
  const raw = new Uint8Array(key);
  const imported = await crypto.subtle.importKey('raw', raw, algorithm, false, ['sign']);
  return Buffer.from(await crypto.subtle.sign('HMAC', imported, Buffer.concat(parts)));
}

const utf8 = (text: string) => new TextEncoder().encode(text);

interface Case {
  readonly provider: Provider;
  readonly sign: (secret: string, body: Uint8Array) => Promise<Record<string, string>>;
}

const hexHeader =
  (name: string, prefix: string): Case['sign'] =>
  async (secret, body) => ({ [name]: prefix + (await hmac(utf8(secret), body)).toString('hex') });

const standard: Case['sign'] = async (secret, body) => {
  const key = secret.startsWith('whsec_') ? Uint8Array.fromBase64(secret.slice(6)) : utf8(secret);
  const mac = await hmac(key, utf8(`msg_1.${nowSeconds}.`), body);
  return {
    'webhook-id': 'msg_1',
    'webhook-timestamp': nowSeconds,
    'webhook-signature': `v1a,AAAA v1,${mac.toString('base64')}`,
  };
};

/** Every way in which a provider signs. */
const ways: readonly Case[] = [
  { provider: 'GITHUB', sign: hexHeader('x-hub-signature-256', 'sha256=') },
  { provider: 'BITBUCKET', sign: hexHeader('x-hub-signature', 'sha256=') },
  { provider: 'GITEA', sign: hexHeader('x-gitea-signature', '') },
  { provider: 'GITEA', sign: hexHeader('x-forgejo-signature', '') },
  { provider: 'GITEA', sign: hexHeader('x-hub-signature-256', 'sha256=') },
  { provider: 'GENERIC', sign: hexHeader('x-pilotfish-signature-256', 'sha256=') },
  { provider: 'GENERIC', sign: standard },
  { provider: 'GITLAB', sign: standard },
  { provider: 'GITLAB', sign: async (secret) => ({ 'x-gitlab-token': secret }) },
];

const bodies = fc.uint8Array({ maxLength: 500 });
const secretTexts = fc.oneof(
  fc.uint8Array({ minLength: 32, maxLength: 32 }).map((key) => `whsec_${key.toBase64()}`),
  fc.string({ minLength: 16, maxLength: 60 }).filter((text) => !text.startsWith('whsec_')),
);

function verify(provider: Provider, headers: RequestHeaders, body: Uint8Array, secrets: string[]) {
  return providers[provider].verify({ headers, body, secrets: secrets.map(signingSecret), now });
}

test('what a provider signed is taken, under any of the secrets that are valid', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...ways),
      bodies,
      fc.uniqueArray(secretTexts, { minLength: 1, maxLength: 3 }),
      fc.nat(),
      async ({ provider, sign }, body, secrets, which) => {
        const headers = await sign(secrets[which % secrets.length]!, body);
        expect(verify(provider, headers, body, secrets)).toBe(true);
      },
    ),
  );
});

test('a signature under another secret or of another body is refused', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...ways),
      bodies,
      fc.uniqueArray(secretTexts, { minLength: 2, maxLength: 2 }),
      fc.uint8Array({ minLength: 1, maxLength: 3 }),
      async ({ provider, sign }, body, [mine, other], more) => {
        const headers = await sign(other!, body);
        expect(verify(provider, headers, body, [mine!])).toBe(false);
        // A secret token says nothing about the body: that is why GitLab has signing tokens now.
        if (headers['x-gitlab-token'] !== undefined) return;
        const longer = Buffer.concat([body, more]);
        expect(verify(provider, await sign(mine!, body), longer, [mine!])).toBe(false);
      },
    ),
  );
});

test('no change to a signature header leaves it valid', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...ways),
      secretTexts,
      fc.nat(),
      fc.string({ unit: 'binary-ascii', minLength: 1, maxLength: 1 }),
      async ({ provider, sign }, secret, at, character) => {
        const body = utf8('{"a":1}');
        const headers = await sign(secret, body);
        const name = Object.keys(headers).find(
          (n) => n.includes('signature') || n.includes('token'),
        )!;
        const value = headers[name]!;
        const start = value.indexOf('v1,') + 1;
        const index = start + (at % (value.length - start));
        const changed = value.slice(0, index) + character + value.slice(index + 1);
        // Hex digits are the same in both cases.
        const same =
          name.includes('token') || value.includes('v1,')
            ? changed === value
            : changed.toLowerCase() === value;
        const taken = verify(provider, { ...headers, [name]: changed }, body, [secret]);
        expect(taken).toBe(same);
      },
    ),
  );
});

test('a signature in base64 is read in its one spelling, not in those that decode to the same', async () => {
  const body = utf8('{}');
  const headers = await standard('a secret text of the user', body);
  const { 'webhook-signature': signature = '' } = headers;
  const valid = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
    .split('')
    .filter((last) => {
      const changed = { ...headers, 'webhook-signature': `${signature.slice(0, -2)}${last}=` };
      return verify('GENERIC', changed, body, ['a secret text of the user']);
    });
  expect(valid).toEqual([signature.at(-2)]);
});

test('headers that are missing, doubled, empty or no signature at all are refused', () => {
  const body = utf8('');
  fc.assert(
    fc.property(
      fc.constantFrom(...ways.map(({ provider }) => provider)),
      fc.dictionary(
        fc.constantFrom(
          'x-hub-signature-256',
          'x-hub-signature',
          'x-gitea-signature',
          'x-gitlab-token',
          'x-pilotfish-signature-256',
          'webhook-id',
          'webhook-timestamp',
          'webhook-signature',
        ),
        fc.oneof(
          fc.string(),
          fc.constantFrom('', 'sha256=', 'v1,', `sha256=${'0'.repeat(64)}`, '0'.repeat(64)),
          fc.array(fc.string()),
        ),
      ),
      (provider, headers) => {
        expect(verify(provider, headers, body, ['a secret of some length'])).toBe(false);
      },
    ),
  );
});

test('a Standard Webhooks signature counts for five minutes around its timestamp', async () => {
  const secret = 'whsec_'.concat(new Uint8Array(32).toBase64());
  const body = utf8('{}');
  const headers = await standard(secret, body);
  const at = Temporal.Instant.fromEpochMilliseconds(Number(nowSeconds) * 1000);
  const takenAt = (instant: Temporal.Instant) =>
    providers.GITLAB.verify({ headers, body, secrets: [signingSecret(secret)], now: instant });
  expect(takenAt(at.add({ seconds: 300 }))).toBe(true);
  expect(takenAt(at.subtract({ seconds: 300 }))).toBe(true);
  expect(takenAt(at.add({ seconds: 301 }))).toBe(false);
  expect(takenAt(at.subtract({ seconds: 301 }))).toBe(false);
  const later = { ...headers, 'webhook-timestamp': String(Number(nowSeconds) + 1) };
  expect(
    providers.GITLAB.verify({ headers: later, body, secrets: [signingSecret(secret)], now }),
  ).toBe(false);
});

test('a GitLab hook with a signing token cannot be entered by its token alone', async () => {
  const headers = { 'x-gitlab-token': 'the right secret', 'webhook-signature': 'v1,x' };
  expect(verify('GITLAB', headers, utf8('{}'), ['the right secret'])).toBe(false);
});

test('event and delivery are read as each provider names them', () => {
  const read = (provider: Provider, headers: RequestHeaders) => [
    providers[provider].event(headers),
    providers[provider].deliveryId(headers),
  ];
  expect(read('GITHUB', { 'x-github-event': 'push', 'x-github-delivery': 'd' })).toEqual([
    'push',
    'd',
  ]);
  expect(read('GITLAB', { 'x-gitlab-event': 'Push Hook', 'idempotency-key': 'k' })).toEqual([
    'Push Hook',
    'k',
  ]);
  expect(read('BITBUCKET', { 'x-event-key': 'repo:push', 'x-request-uuid': 'u' })).toEqual([
    'repo:push',
    'u',
  ]);
  expect(
    read('GITEA', {
      'x-gitea-event': 'push',
      'x-github-event': 'ignored',
      'x-gitea-delivery': 'own',
      'x-github-delivery': 'hub',
    }),
  ).toEqual(['push', 'own']);
  expect(read('GENERIC', { 'x-pilotfish-event': 'push', 'webhook-id': 'w' })).toEqual([
    'push',
    'w',
  ]);
  expect(read('GENERIC', {})).toEqual(['', null]);
});

test('no signature and no token is kept beside the body', async () => {
  for (const { provider, sign } of ways) {
    const secret = 'a secret that nobody may read back';
    const headers = { ...(await sign(secret, utf8('x'))), authorization: 'Bearer t', cookie: 'c' };
    const kept = JSON.stringify(keptHeaders(providers[provider], headers));
    for (const [name, value] of Object.entries(headers)) {
      if (name === 'webhook-id') continue;
      expect(kept).not.toContain(value);
    }
  }
});
