/** More than can be taken: refused at once and in words, without growing, and over when it is over. */
import { createHmac } from 'node:crypto';
import { systemClock } from '@pilotfish/kernel';
import { postDelivery, type TestHook } from '@pilotfish/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type GatewayStand, openGatewayStand } from './src/gateway-stand.ts';
import { percentileMs, sendLoad } from './src/open-load.ts';
import { parseMetrics } from './src/parse-metrics.ts';
import { usageOf } from './src/process-usage.ts';
import { bytesOf, openRawConnection, signedRequest } from './src/raw-connection.ts';
import { eventually } from './src/wait.ts';

const body = '{"ref":"refs/heads/main"}';
const mebibyte = 1024 * 1024;
/** WEBHOOK_GATEWAY_BODY_MEBIBYTES_MAX by default. */
const budgetBytes = 128 * mebibyte;
/** The process itself, what is on its way through the kernel's buffers, batches, and garbage. */
const besideBudgetBytes = 512 * mebibyte;
const largeCount = 500;
/** Verified deliveries that may wait for a batch. */
const waitingMax = 5000;

let stand: GatewayStand;
let hook: TestHook;

beforeAll(async () => {
  stand = await openGatewayStand({
    env: {
      WEBHOOK_GATEWAY_HOOK_PER_SECOND_MAX: '0',
      WEBHOOK_GATEWAY_ADDRESS_PER_SECOND_MAX: '0',
    },
  });
  hook = await stand.makeHook('GITHUB');
});

afterAll(async () => {
  await stand?.[Symbol.asyncDispose]();
});

async function post(to = hook): Promise<Response> {
  const delivery = { provider: 'GITHUB', secret: to.secret, body } as const;
  return await postDelivery(`${stand.url}/webhook/${to.id}`, delivery);
}

async function waiting(): Promise<number> {
  const samples = parseMetrics(await (await fetch(`${stand.url}/metrics`)).text());
  const name = 'pilotfish_webhook_waiting_deliveries';
  return samples.find((sample) => sample.name === name)?.value ?? Number.NaN;
}

/** Looks every 100 ms while the work lasts. @returns the largest number seen */
async function largest(look: () => Promise<number>, work: Promise<unknown>): Promise<number> {
  const done = new AbortController();
  const settled = work.finally(() => done.abort());
  let most = 0;
  while (!done.signal.aborted) {
    most = Math.max(most, await look());
    await systemClock.sleep(100, done.signal).catch(() => undefined);
  }
  await settled;
  return most;
}

const rss = async () => (await usageOf(stand.copies[0]!.pid())).rssBytes;

/** How many deliveries a second are answered 202, as fast as they go. */
async function speed(name: string): Promise<number> {
  const seconds = 2;
  const load = { hooks: [hook], port: stand.port, connections: 64, bodyBytes: 2000, name, seconds };
  const answers = await sendLoad({ ...load, perSecond: Number.POSITIVE_INFINITY });
  return answers.filter(({ status }) => status === 202).length / seconds;
}

test('what does not fit the queue is told 503, the queue grows no further, and then all is as before', async () => {
  await speed('warm-up');
  const before = await speed('before');
  // The database answers and stores nothing: somebody holds the table.
  const held = Promise.withResolvers<void>();
  const mayGo = Promise.withResolvers<void>();
  const holding = stand.sql.begin(async (tx) => {
    await tx`lock table deliveries in access exclusive mode`;
    held.resolve();
    await mayGo.promise;
  });
  await held.promise;
  // More than may wait, on few connections: requests are not waited for.
  const [connectionCount, each] = [300, 25];
  const flood = Array.from({ length: connectionCount }, async (_value, index) => {
    const connection = await openRawConnection(stand.port);
    const requests = Array.from({ length: each }, (_request, number) =>
      bytesOf(signedRequest(hook, `flood-${index}-${number}`, body)),
    );
    await connection.write(Buffer.concat(requests));
    const answers = await connection.awaitAnswers(each, 60_000);
    connection.destroy();
    return answers;
  });
  const all = Promise.all(flood);
  const mostWaiting = await largest(waiting, all);
  const answers = (await all).flat();
  for (const { head } of answers)
    expect(head).toMatch(/^HTTP\/1\.1 503 [\s\S]*^retry-after: \d+/im);
  expect(answers).toHaveLength(connectionCount * each);
  // One organization may fill half of the queue.
  expect(mostWaiting).toBeGreaterThan(waitingMax / 4);
  expect(mostWaiting).toBeLessThanOrEqual(waitingMax);

  mayGo.resolve();
  await holding;
  const goneMs = systemClock.monotonicMs();
  await eventually('it takes deliveries again', 5000, async () => (await post()).status === 202);
  expect(systemClock.monotonicMs() - goneMs).toBeLessThan(1500);
  // What waited may be stored now, though nobody was promised it. The speed is what it was.
  await eventually('nothing waits', 10_000, async () => (await waiting()) === 0);
  expect(await speed('after')).toBeGreaterThan(before / 2);
}, 180_000);

test('500 connections with bodies of 26 MB take no more memory than they may, and small ones pass', async () => {
  const bytes = 25 * mebibyte;
  const piece = Buffer.alloc(256 * 1024, 'x');
  const mac = createHmac('sha256', hook.secret);
  for (let at = 0; at < bytes; at += piece.length) mac.update(piece);
  const signature = `sha256=${mac.digest('hex')}`;
  const statuses = new Map<number, number>();
  const sender = async (index: number) => {
    const connection = await openRawConnection(stand.port);
    const head = [
      ...[`POST /webhook/${hook.id} HTTP/1.1`, 'Host: gateway', `Content-Length: ${bytes}`],
      ...['X-GitHub-Event: push', `X-GitHub-Delivery: large-${index}`],
      `X-Hub-Signature-256: ${signature}`,
    ];
    await connection.write(`${head.join('\r\n')}\r\n\r\n`);
    for (let at = 0; at < bytes && connection.answers().length === 0; at += piece.length) {
      await connection.write(piece);
      if (connection.isClosed()) break;
    }
    await connection.awaitAnswers(1, 60_000).catch(() => undefined);
    connection.destroy();
    const status = connection.answers()[0]?.status ?? 0;
    statuses.set(status, (statuses.get(status) ?? 0) + 1);
  };
  let small = 0;
  let isOver = false;
  const senders = Promise.all(
    Array.from({ length: largeCount }, (_value, index) => sender(index)),
  ).finally(() => {
    isOver = true;
  });
  const other = await stand.makeHook('GITHUB');
  const smallOnes = (async () => {
    while (!isOver) {
      expect((await post(other)).status).toBe(202);
      small += 1;
    }
  })();
  const most = await largest(rss, senders);
  await smallOnes;
  expect(most).toBeLessThan(budgetBytes + besideBudgetBytes);
  const told = JSON.stringify([...statuses]);
  expect(
    [...statuses.keys()].filter((status) => ![202, 503, 0].includes(status)),
    told,
  ).toEqual([]);
  // Who does not look while he sends, for seconds, may find his connection ended.
  expect(statuses.get(0) ?? 0, told).toBeLessThanOrEqual(largeCount / 50);
  expect(statuses.get(503) ?? 0).toBeGreaterThan(0);
  expect(small).toBeGreaterThan(0);
  const [row] = await stand.sql<{ stored: number }[]>`select count(*)::int as stored
    from deliveries where provider_delivery_id like 'large-%'`;
  expect(row?.stored).toBe(statuses.get(202) ?? 0);
  const goneMs = systemClock.monotonicMs();
  expect((await post()).status).toBe(202);
  expect(systemClock.monotonicMs() - goneMs).toBeLessThan(1000);
}, 180_000);

test('without its database it refuses at once, is not ready, promises nothing, and is soon back', async () => {
  expect((await fetch(`${stand.url}/health/ready`)).status).toBe(200);
  const load = {
    hooks: [hook],
    port: stand.port,
    connections: 32,
    bodyBytes: 2000,
    perSecond: 100,
  };
  const underWay = sendLoad({ ...load, name: 'outage', seconds: 6 });
  await systemClock.sleep(1000);
  const killedMs = systemClock.monotonicMs();
  await stand.postgres.kill();
  await eventually('it is not ready', 5000, async () => {
    return (await fetch(`${stand.url}/health/ready`)).status === 503;
  });
  const [knownMs, startMs] = [systemClock.monotonicMs(), systemClock.monotonicMs() + 1500];
  await eventually('some time has passed', 5000, async () => systemClock.monotonicMs() > startMs);
  const deadUntilMs = systemClock.monotonicMs();
  await stand.postgres.start();
  const startedMs = systemClock.monotonicMs();
  await eventually('it takes deliveries again', 5000, async () => (await post()).status === 202);
  const backMs = systemClock.monotonicMs() - startedMs;
  expect((await fetch(`${stand.url}/health/ready`)).status).toBe(200);

  const answers = await underWay;
  const whileDown = answers.filter(({ dueMs }) => dueMs > knownMs && dueMs < deadUntilMs - 200);
  expect(whileDown.length).toBeGreaterThan(50);
  expect(new Set(whileDown.map(({ status }) => status))).toEqual(new Set([503]));
  expect(percentileMs(whileDown, 0.99)).toBeLessThan(1000);
  expect(knownMs - killedMs).toBeLessThan(3000);
  expect(backMs).toBeLessThan(1000);
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([202, 503]));
  const [row] = await stand.sql<{ stored: number }[]>`select count(*)::int as stored
    from deliveries where provider_delivery_id like 'outage-%'`;
  // One whose commit was under way when the database died may be stored and not promised.
  const promised = answers.filter(({ status }) => status === 202).length;
  expect(row?.stored).toBeGreaterThanOrEqual(promised);
  expect(row?.stored).toBeLessThanOrEqual(promised + load.connections);
}, 120_000);
