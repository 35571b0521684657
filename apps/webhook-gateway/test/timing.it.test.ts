/** What an attacker could read from a clock: nothing about signatures, nothing about webhooks. */

import { createHmac, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import { encryptValue, hookSecretBinding, keyEncryptionOf } from '@pilotfish/crypto';
import { type IncomingWebhookId, newId, type OrganizationId, systemClock } from '@pilotfish/kernel';
import { createLogger } from '@pilotfish/runtime';
import type { HookSecrets } from '@pilotfish/store';
import { type OutgoingDelivery, scale, seededRandom, signDelivery } from '@pilotfish/testing';
import { expect, onTestFinished, test } from 'vitest';
import { createFindHook } from '../src/find-hooks.ts';
import { type Provider, providers } from '../src/providers/providers.ts';
import type { RequestHeaders } from '../src/providers/signatures.ts';
import { type SigningSecret, signingSecret } from '../src/providers/signing-secret.ts';
import { database, hookKey, makeHook, startGateway } from './fixture.ts';
import { compareTimes, tMax } from './welch.ts';

const secret = 'whsec_'.concat(Buffer.alloc(32, 7).toString('base64'));
const body = Buffer.from('{"ref":"refs/heads/main"}'.padEnd(400, ' '));
const now = systemClock.now();

const ways: readonly { provider: Provider; way?: 'standard' | 'token'; header: string }[] = [
  { provider: 'GITHUB', header: 'x-hub-signature-256' },
  { provider: 'GITEA', header: 'x-gitea-signature' },
  { provider: 'GENERIC', way: 'standard', header: 'webhook-signature' },
  { provider: 'GITLAB', way: 'token', header: 'x-gitlab-token' },
];

/** The right signature but for one character, which stays one of its alphabet. */
function wrongAt(way: (typeof ways)[number], at: 'first' | 'last'): RequestHeaders {
  const headers = signDelivery({ ...way, secret, body, deliveryId: 'd', at: now });
  const value = headers[way.header]!;
  const start = /^(sha256=|v1,|whsec_)?/.exec(value)![0].length;
  // Before the padding of base64, and before the digit whose last bits mean nothing.
  const end = value.endsWith('=') ? value.length - 3 : value.length - 1;
  const index = at === 'first' ? start : end;
  const other = value[index] === '0' ? '1' : '0';
  return { ...headers, [way.header]: value.slice(0, index) + other + value.slice(index + 1) };
}

/** The same headers as different objects, so that no place in memory counts. */
function copies(make: () => RequestHeaders): () => RequestHeaders {
  const made = Array.from({ length: 64 }, make);
  let next = 0;
  return () => made[next++ % made.length]!;
}

function timed(verify: () => boolean): number {
  const startMs = systemClock.monotonicMs();
  const taken = verify();
  const timeMs = systemClock.monotonicMs() - startMs;
  if (taken) throw new Error('a wrong signature was taken');
  return timeMs;
}

async function firstAgainstLast(
  way: (typeof ways)[number],
  verify: (headers: RequestHeaders) => boolean,
) {
  // Of one function: two with the same text are compiled each for itself, and need not take as long.
  const sample = (at: 'first' | 'last') => {
    const next = copies(() => wrongAt(way, at));
    return () => timed(() => verify(next()));
  };
  return await compareTimes([sample('first'), sample('last')], 20_000, seededRandom());
}

const mine = [signingSecret(secret)];

test.each(ways)(
  'how much of a signature of $provider is right cannot be told: $header',
  async (way) => {
    const { verify } = providers[way.provider];
    const compared = await firstAgainstLast(way, (headers) =>
      verify({ headers, body, secrets: mine, now }),
    );
    expect(Math.abs(compared.t), JSON.stringify(compared)).toBeLessThan(tMax);
  },
);

test('a comparison that ends at the first difference would be seen', async () => {
  const [way] = ways;
  const compared = await firstAgainstLast(way!, (headers) => {
    const given = String(headers[way!.header]).slice('sha256='.length);
    const expected = createHmac('sha256', secret).update(body).digest('hex');
    for (let index = 0; index < expected.length; index += 1) {
      // Compared as digits, in any case: comparing codes is so fast that some runs would not see it.
      if (given[index]?.toLowerCase() !== expected[index]?.toLowerCase()) return false;
    }
    return true;
  });
  expect(compared.t, JSON.stringify(compared)).toBeLessThan(-tMax);
});

/** One kept connection on which a request is refused, over and over. */
async function refusals(port: number) {
  const socket = connect({ host: '127.0.0.1', port, noDelay: true });
  await once(socket, 'connect');
  onTestFinished(() => void socket.destroy());
  let waiting: ((head: string) => void) | undefined;
  let head = '';
  socket.on('data', (chunk) => {
    head += chunk.toString('latin1');
    // A refusal is short: it comes in one piece, or its end is still to come.
    if (head.endsWith('}')) waiting?.(head);
  });
  return async (request: string): Promise<number> => {
    head = '';
    const answered = Promise.withResolvers<string>();
    waiting = answered.resolve;
    const startMs = systemClock.monotonicMs();
    socket.write(request);
    const answer = await answered.promise;
    const timeMs = systemClock.monotonicMs() - startMs;
    if (!answer.startsWith('HTTP/1.1 401 ')) throw new Error(`not refused: ${answer}`);
    return timeMs;
  };
}

function requestTo(id: string, delivery: Omit<OutgoingDelivery, 'secret' | 'body'>): string {
  const headers = signDelivery({ ...delivery, secret: 'no secret of this webhook', body });
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  const head = [`POST /webhook/${id} HTTP/1.1`, 'host: gateway', ...lines];
  return `${head.join('\r\n')}\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
}

const refusalCount = scale({ small: 4_000, full: 20_000 });

const askings = [
  { provider: 'GITHUB' },
  { provider: 'GITLAB', way: 'token' },
  { provider: 'GENERIC', way: 'standard' },
] as const;

test.each(askings)(
  'whether a webhook of $provider exists cannot be told',
  async (way) => {
    const db = await database();
    const { id } = await makeHook(db, way.provider);
    const gateway = await startGateway({ databaseUrl: db.url });
    const send = await refusals(Number(new URL(gateway.url).port));
    const known = requestTo(id, way);
    const unknown = requestTo(randomUUID(), way);
    const compared = await compareTimes(
      [() => send(known), () => send(unknown)],
      refusalCount,
      seededRandom(),
    );
    expect(Math.abs(compared.t), JSON.stringify(compared)).toBeLessThan(tMax);
  },
  300_000,
);

test('whether a webhook is under rotation cannot be told: every refusal hashes the same', async () => {
  const { verify } = providers.GITHUB;
  const large = Buffer.alloc(100_000, 'x');
  const headers = signDelivery({ provider: 'GITHUB', secret: 'another', body: large });
  const secretsOf = {
    one: [signingSecret(secret)],
    two: [signingSecret(secret), signingSecret('the previous one')],
  };
  const sample = (secrets: readonly SigningSecret[]) => () =>
    timed(() => verify({ headers, body: large, secrets, now }));
  const even = await compareTimes(
    [sample(secretsOf.one), sample(secretsOf.two)],
    4_000,
    seededRandom(),
  );
  expect(Math.abs(even.t), JSON.stringify(even)).toBeLessThan(tMax);
  const hash = (times: number) => () =>
    timed(() => {
      for (let count = 0; count < times; count += 1)
        createHmac('sha256', secret).update(large).digest();
      return false;
    });
  const uneven = await compareTimes([hash(2), hash(1)], 4_000, seededRandom());
  expect(uneven.t, JSON.stringify(uneven)).toBeGreaterThan(tMax);
});

test('the first look at a webhook takes as long whether it exists, is under rotation, or neither', async () => {
  const keys = keyEncryptionOf(hookKey);
  const ids = [newId(), newId(), newId(), newId()] as const;
  const [known, rotating, rotated, unknown] = ids as unknown as IncomingWebhookId[];
  const organizationId = newId<OrganizationId>();
  const rowOf = async (
    id: IncomingWebhookId,
    state: 'settled' | 'rotating' | 'rotated',
  ): Promise<HookSecrets> => {
    const seal = (version: number) =>
      encryptValue(
        keys,
        secret,
        hookSecretBinding({ organizationId, incomingWebhookId: id, version }),
      );
    return {
      id,
      organizationId,
      provider: 'GITHUB',
      secretCiphertext: await seal(2),
      secretVersion: 2,
      previousSecretCiphertext: state === 'rotated' ? await seal(1) : null,
      previousSecretValidUntil: state === 'rotated' ? now.add({ hours: 1 }) : null,
      nextSecretCiphertext: state === 'rotating' ? await seal(3) : null,
    };
  };
  const rows = new Map([
    [known, await rowOf(known!, 'settled')],
    [rotating, await rowOf(rotating!, 'rotating')],
    [rotated, await rowOf(rotated!, 'rotated')],
  ]);
  // What the database does besides is its own: only what follows its answer is ours to even out.
  const inbox = { findHook: async (id: IncomingWebhookId) => rows.get(id) ?? null };
  const find = createFindHook({
    inbox,
    keys,
    logger: createLogger({ name: 'test', level: 'silent' }),
  });
  const sample = (id: IncomingWebhookId) => async () => {
    const startMs = systemClock.monotonicMs();
    await find(id);
    return systemClock.monotonicMs() - startMs;
  };
  for (const pair of [
    [known!, unknown!],
    [rotating!, known!],
    [rotated!, known!],
  ] as const) {
    const compared = await compareTimes(
      [sample(pair[0]), sample(pair[1])],
      refusalCount,
      seededRandom(),
    );
    expect(Math.abs(compared.t), JSON.stringify(compared)).toBeLessThan(tMax);
  }
}, 120_000);
