/**
 * The whole way from header lines to "signed by this webhook", against a second implementation that
 * was written from the providers' documents with another library, and shares no code with the first.
 */

import { createServer, request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { systemClock } from '@pilotfish/kernel';
import { scale } from '@pilotfish/testing';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Provider, providers } from './providers.ts';
import type { RequestHeaders } from './signatures.ts';
import { signingSecret } from './signing-secret.ts';

const now = systemClock.now();
const nowSeconds = Math.floor(now.epochMilliseconds / 1000);

type Headers = Readonly<Record<string, string | string[] | undefined>>;

async function macOf(key: Uint8Array, message: Uint8Array): Promise<Uint8Array> {
  const algorithm = { name: 'HMAC', hash: 'SHA-256' };
  // Web Crypto takes no empty key; HMAC pads keys with zeros, so that this one is the same.
  const bytes = key.length === 0 ? new Uint8Array(1) : new Uint8Array(key);
  const imported = await crypto.subtle.importKey('raw', bytes, algorithm, false, ['sign']);
  return new Uint8Array(await crypto.subtle.sign('HMAC', imported, new Uint8Array(message)));
}

const encoder = new TextEncoder();

/** GitHub, Bitbucket, Gitea and our own document: hex of the body's MAC, behind a fixed prefix. */
async function hexCounts(value: Headers[string], prefix: string, body: Uint8Array, secret: string) {
  if (typeof value !== 'string') return false;
  const mac = await macOf(encoder.encode(secret), body);
  return (
    value.slice(0, prefix.length) === prefix &&
    value.slice(prefix.length).toLowerCase() === mac.toHex()
  );
}

/** The specification of Standard Webhooks, section "Verifying". */
async function standardCounts(headers: Headers, body: Uint8Array, secret: string) {
  const [id, timestamp, signatures] = ['id', 'timestamp', 'signature'].map(
    (name) => headers[`webhook-${name}`],
  );
  if (typeof id !== 'string' || typeof timestamp !== 'string' || typeof signatures !== 'string')
    return false;
  if (id === '' || !/^[0-9]{1,12}$/.test(timestamp)) return false;
  if (Math.abs(Number(timestamp) - now.epochMilliseconds / 1000) > 300) return false;
  const key = secret.startsWith('whsec_')
    ? Uint8Array.fromBase64(secret.slice('whsec_'.length))
    : encoder.encode(secret);
  const signed = new Uint8Array([...encoder.encode(`${id}.${timestamp}.`), ...body]);
  const expected = `v1,${(await macOf(key, signed)).toBase64()}`;
  return signatures.split(' ').slice(0, 8).includes(expected);
}

/** What docs/webhooks.md says proves a sender of each kind. */
async function isProved(provider: Provider, headers: Headers, body: Uint8Array, secret: string) {
  const hex = (name: string, prefix: string) => hexCounts(headers[name], prefix, body, secret);
  switch (provider) {
    case 'GITHUB':
      return await hex('x-hub-signature-256', 'sha256=');
    case 'BITBUCKET':
      return await hex('x-hub-signature', 'sha256=');
    case 'GITEA': {
      const own = ['x-gitea-signature', 'x-forgejo-signature'].find((name) => {
        return typeof headers[name] === 'string' && headers[name] !== '';
      });
      return await (own === undefined ? hex('x-hub-signature-256', 'sha256=') : hex(own, ''));
    }
    case 'GITLAB':
      if (headers['webhook-signature'] !== undefined)
        return await standardCounts(headers, body, secret);
      return headers['x-gitlab-token'] === secret && secret !== '';
    case 'GENERIC':
      if (headers['webhook-signature'] !== undefined)
        return await standardCounts(headers, body, secret);
      return await hex('x-pilotfish-signature-256', 'sha256=');
  }
}

const bodies = fc.uint8Array({ maxLength: 200 });
const secrets = fc.oneof(
  fc.uint8Array({ minLength: 32, maxLength: 32 }).map((key) => `whsec_${key.toBase64()}`),
  fc.stringMatching(/^[!-~]{16,40}$/).filter((text) => !text.startsWith('whsec_')),
);
const names = [
  'x-hub-signature-256',
  'x-hub-signature',
  'x-gitea-signature',
  'x-forgejo-signature',
  'x-pilotfish-signature-256',
  'x-gitlab-token',
  'webhook-id',
  'webhook-timestamp',
  'webhook-signature',
] as const;

/** A value that is right in one of the ways, or nearly. */
async function valueFor(kind: string, body: Uint8Array, secret: string): Promise<string> {
  const mac = await macOf(encoder.encode(secret), body);
  const key = secret.startsWith('whsec_')
    ? Uint8Array.fromBase64(secret.slice(6))
    : encoder.encode(secret);
  const signed = new Uint8Array([...encoder.encode(`id.${nowSeconds}.`), ...body]);
  const standard = (await macOf(key, signed)).toBase64();
  const values: Record<string, string> = {
    hex: mac.toHex(),
    'sha256=hex': `sha256=${mac.toHex()}`,
    'SHA256=hex': `SHA256=${mac.toHex()}`,
    'sha256=HEX': `sha256=${mac.toHex().toUpperCase()}`,
    'sha256= hex': `sha256= ${mac.toHex()}`,
    'sha256=short': `sha256=${mac.toHex().slice(2)}`,
    'sha256=long': `sha256=${mac.toHex()}00`,
    'sha1=hex': `sha1=${mac.toHex().slice(0, 40)}`,
    'sha256=base64': `sha256=${mac.toBase64()}`,
    token: secret,
    'token and more': `${secret}x`,
    v1: `v1,${standard}`,
    'v1 among others': `v1a,x v1,AAAA v2,${standard} v1,${standard} v1`,
    'v1 too late': `${'v1,x '.repeat(8)}v1,${standard}`,
    'v1 without padding': `v1,${standard.replace('=', '')}`,
    v2: `v2,${standard}`,
    'v1 url': `v1,${standard.replaceAll('+', '-').replaceAll('/', '_')}`,
    id: 'id',
    now: String(nowSeconds),
    'now with a sign': `+${nowSeconds}`,
    'now in exponents': `${nowSeconds}e0`,
    later: String(nowSeconds + 300),
    'too late': String(nowSeconds - 301),
  };
  return values[kind] ?? kind;
}

const kinds = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom('hex', 'sha256=hex', 'token', 'v1', 'id', 'now') },
  {
    weight: 3,
    arbitrary: fc.constantFrom(
      ...['SHA256=hex', 'sha256=HEX', 'sha256= hex', 'sha256=short', 'sha256=long', 'sha1=hex'],
      ...[
        'sha256=base64',
        'token and more',
        'v1 among others',
        'v1 too late',
        'v1 without padding',
      ],
      ...['v2', 'v1 url', 'now with a sign', 'now in exponents', 'later', 'too late', ''],
    ),
  },
  { weight: 1, arbitrary: fc.stringMatching(/^[ -~]{0,30}$/) },
);
/** What is usual for a header, and sometimes what is usual for another. */
const usual: Readonly<Record<(typeof names)[number], string>> = {
  'x-hub-signature-256': 'sha256=hex',
  'x-hub-signature': 'sha256=hex',
  'x-gitea-signature': 'hex',
  'x-forgejo-signature': 'hex',
  'x-pilotfish-signature-256': 'sha256=hex',
  'x-gitlab-token': 'token',
  'webhook-id': 'id',
  'webhook-timestamp': 'now',
  'webhook-signature': 'v1',
};
const lines = fc.array(
  fc.constantFrom(...names).chain((name) =>
    fc.record({
      name: fc.constantFrom(name, name.toUpperCase()),
      kind: fc.oneof(
        { weight: 2, arbitrary: fc.constant(usual[name]) },
        { weight: 1, arbitrary: kinds },
      ),
      isForged: fc.oneof(
        { weight: 5, arbitrary: fc.constant(false) },
        { weight: 1, arbitrary: fc.constant(true) },
      ),
    }),
  ),
  { maxLength: 6 },
);

let server: ReturnType<typeof createServer>;
let seen: IncomingHttpHeaders = {};

beforeAll(async () => {
  server = createServer((request, response) => {
    seen = request.headers;
    response.end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});

afterAll(() => {
  server.closeAllConnections();
  server.close();
});

/** As Node hands them to the gateway: names in lower case, some repeated ones joined. */
async function throughNode(rawHeaders: readonly string[]): Promise<RequestHeaders> {
  const { port } = server.address() as AddressInfo;
  await new Promise<void>((resolve, reject) => {
    const headers = ['host', 'gateway', ...rawHeaders];
    const call = httpRequest({ port, host: '127.0.0.1', headers }, (answer) => {
      answer.resume().once('end', resolve);
    });
    call.once('error', reject);
    call.end();
  });
  return seen;
}

test('what is taken and what is refused is what a second implementation says', async () => {
  let taken = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...(Object.keys(providers) as Provider[])),
      bodies,
      fc.uniqueArray(secrets, { minLength: 2, maxLength: 3 }),
      lines,
      async (provider, body, [foreign = '', ...mine], all) => {
        const raw: string[] = [];
        for (const { name, kind, isForged } of all) {
          raw.push(name, await valueFor(kind, body, isForged ? foreign : mine[0]!));
        }
        const headers = await throughNode(raw);
        const proofs = await Promise.all(
          mine.map((secret) => isProved(provider, headers, body, secret)),
        );
        const expected = proofs.includes(true);
        const actual = providers[provider].verify({
          headers,
          body,
          secrets: mine.map(signingSecret),
          now,
        });
        expect(actual, JSON.stringify({ provider, raw })).toBe(expected);
        if (actual) taken += 1;
      },
    ),
    { numRuns: scale({ small: 1500, full: 30_000 }) },
  );
  // Otherwise it would have compared refusals only.
  expect(taken).toBeGreaterThan(50);
}, 300_000);
