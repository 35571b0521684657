/** Whatever comes in over a socket: the gateway stays up, stays small and stores nothing of it. */
import { readFile } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { systemClock } from '@pilotfish/kernel';
import { postDelivery, type TestHook } from '@pilotfish/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type GatewayStand, openGatewayStand } from './src/gateway-stand.ts';
import { malformedRequest } from './src/malformed-requests.ts';
import { usageOf } from './src/process-usage.ts';
import { seededRandom } from './src/random.ts';
import { scale } from './src/scale.ts';
import { eventually } from './src/wait.ts';

const requestCount = scale({ small: 4_000, full: 100_000 });
const width = 32;
/** Some requests never end: their sender hangs up after a moment. */
const patienceMs = 150;
/** Of resident memory, after a first part that fills caches and heaps. */
const growthBytesMax = 48 * 1024 * 1024;

let stand: GatewayStand;
let hook: TestHook;

beforeAll(async () => {
  const noLimit = {
    WEBHOOK_GATEWAY_HOOK_PER_SECOND_MAX: '0',
    WEBHOOK_GATEWAY_ADDRESS_PER_SECOND_MAX: '0',
  };
  stand = await openGatewayStand({ env: noLimit });
  hook = await stand.makeHook('GITHUB');
});

afterAll(async () => {
  await stand?.[Symbol.asyncDispose]();
});

test('malformed requests end nothing, fill nothing, block nobody and are never stored', async () => {
  const copy = stand.copies[0]!;
  const pid = copy.pid();
  const random = seededRandom();
  const statuses = new Map<string, number>();
  let next = 0;
  let good = 0;
  const throwUntil = async (end: number) => {
    const worker = async () => {
      while (next < end) {
        const sequence = next++;
        const bytes = malformedRequest(hook, sequence, random);
        const answer = await throwAt(bytes, random());
        for (const status of statusesOf(answer))
          statuses.set(status, (statuses.get(status) ?? 0) + 1);
      }
    };
    const others = (async () => {
      while (next < end) {
        await answersGood();
        good += 1;
        await systemClock.sleep(50);
      }
    })();
    await Promise.all([...Array.from({ length: width }, worker), others]);
  };

  await throwUntil(requestCount / 4);
  await noConnectionIsLeft(pid);
  const before = await usageOf(pid);
  await throwUntil(requestCount);
  await noConnectionIsLeft(pid);
  await answersGood();
  const after = await usageOf(pid);

  expect(copy.isAlive() && copy.pid() === pid, copy.log()).toBe(true);
  expect(copy.log()).not.toMatch(/"level":"(error|fatal)"/);
  const sent = JSON.stringify([...statuses]);
  expect(
    [...statuses.keys()].filter((status) => status >= '5' && status !== '503'),
    sent,
  ).toEqual([]);
  // Most of it was refused for good reasons, and not because nothing arrived.
  expect(statuses.get('400') ?? 0, sent).toBeGreaterThan(requestCount / 10);
  expect(statuses.get('401') ?? 0, sent).toBeGreaterThan(requestCount / 20);
  expect(after.handles, 'open files').toBeLessThanOrEqual(before.handles + 4);
  expect(after.rssBytes - before.rssBytes, 'growth').toBeLessThan(growthBytesMax);
  const [row] = await stand.sql<{ all: number; wrong: number }[]>`select count(*)::int as all,
    count(*) filter (where provider_delivery_id not like 'good-%')::int as wrong from deliveries`;
  expect(row).toEqual({ all: good + 1, wrong: 0 });
}, 1_800_000);

let goodSent = 0;

async function answersGood(): Promise<void> {
  goodSent += 1;
  const startMs = systemClock.monotonicMs();
  const answer = await postDelivery(`${stand.url}/webhook/${hook.id}`, {
    provider: 'GITHUB',
    secret: hook.secret,
    deliveryId: `good-${goodSent}`,
    body: `{"good":${goodSent}}`,
  });
  expect(answer.status).toBe(202);
  expect(systemClock.monotonicMs() - startMs).toBeLessThan(5000);
}

/** Sends in one piece or in several, ends in one of three ways, and answers what came back. */
async function throwAt(bytes: Buffer, chance: number): Promise<string> {
  const socket = connect({ port: stand.port, host: '127.0.0.1', allowHalfOpen: true });
  let received = '';
  const over = Promise.withResolvers<void>();
  socket.setEncoding('latin1').on('data', (text: string) => {
    received += text;
  });
  // It may be ended by the other side while we still write.
  socket.on('error', () => over.resolve()).on('close', () => over.resolve());
  socket.on('end', () => over.resolve());
  const pieces = chance < 0.3 ? 1 + Math.floor(chance * 20) : 1;
  for (let piece = 0; piece < pieces; piece += 1) {
    const size = Math.ceil(bytes.length / pieces);
    await write(socket, bytes.subarray(piece * size, (piece + 1) * size));
  }
  if (chance < 0.1) socket.resetAndDestroy();
  else if (chance < 0.6) socket.end();
  const patience = systemClock.sleep(patienceMs);
  await Promise.race([over.promise, patience]);
  socket.destroy();
  return received;
}

function write(socket: Socket, bytes: Buffer): Promise<void> {
  return new Promise((resolve) => {
    socket.once('close', () => resolve());
    socket.write(bytes, () => resolve());
  });
}

function statusesOf(answer: string): string[] {
  return [...answer.matchAll(/^HTTP\/1\.1 (\d{3}) /gm)].map(([, status = '']) => status);
}

/** Connections that somebody made to the gateway and that are not over yet, besides our kept one. */
async function noConnectionIsLeft(pid: number): Promise<void> {
  await eventually('no connection is left', 40_000, async () => {
    const open = await connectionsTo(stand.port);
    if (open > 2) throw new Error(`${open} connections of ${pid}`);
    return true;
  });
}

async function connectionsTo(port: number): Promise<number> {
  const table = await readFile('/proc/net/tcp', 'utf8');
  const local = `:${port.toString(16).toUpperCase().padStart(4, '0')} `;
  const established = /^\s*\d+: \S+ \S+ 01 /;
  return table
    .split('\n')
    .filter((line) => established.test(line) && line.slice(0, 21).includes(local)).length;
}
