/** Clients that are slow, hasty, odd or gone. Each test holds what the gateway's README promises. */
import { randomUUID } from 'node:crypto';
import { systemClock } from '@pilotfish/kernel';
import { postDelivery, type TestHook } from '@pilotfish/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type GatewayStand, openGatewayStand } from './src/gateway-stand.ts';
import { parseMetrics } from './src/parse-metrics.ts';
import { seededRandom } from './src/random.ts';
import {
  bytesOf,
  chunked,
  openRawConnection,
  type RawConnection,
  signedRequest,
} from './src/raw-connection.ts';
import { eventually } from './src/wait.ts';
import { sha256 } from './src/webhook-plan.ts';

let stand: GatewayStand;
let hook: TestHook;

beforeAll(async () => {
  stand = await openGatewayStand();
  hook = await stand.makeHook('GITHUB');
});

afterAll(async () => {
  await stand?.[Symbol.asyncDispose]();
});

const body = '{"ref":"refs/heads/main"}';

/** Hashes of the bodies under which a delivery is stored: none, or one. */
async function storedAs(deliveryId: string): Promise<string[]> {
  const rows = await stand.sql<{ body: Uint8Array }[]>`
    select p.body from deliveries d join delivery_payloads p on p.delivery_id = d.id
    where d.incoming_webhook_id = ${hook.id} and d.provider_delivery_id = ${deliveryId}`;
  return rows.map((row) => sha256(row.body));
}

/** Posts a good delivery on a connection of its own and tells how long its answer took. */
async function goodAnswerMs(): Promise<number> {
  const startMs = systemClock.monotonicMs();
  const delivery = { provider: 'GITHUB', secret: hook.secret, body } as const;
  const answer = await postDelivery(`${stand.url}/webhook/${hook.id}`, delivery);
  expect(answer.status).toBe(202);
  return systemClock.monotonicMs() - startMs;
}

async function gauge(name: string): Promise<number> {
  const samples = parseMetrics(await (await fetch(`${stand.url}/metrics`)).text());
  return samples.find((sample) => sample.name === name)?.value ?? Number.NaN;
}

test('requests that are sent without waiting are answered in their order, and stored once each', async () => {
  const random = seededRandom();
  const ids = Array.from({ length: 40 }, () => randomUUID());
  const bodies = ids.map((id) => JSON.stringify({ id, text: 'x'.repeat(random() * 3000) }));
  const forged = new Set([3, 17, 18]);
  const requests = ids.map((id, index) => {
    const secret = forged.has(index) ? 'not the secret of this one' : hook.secret;
    const request = signedRequest({ ...hook, secret }, id, bodies[index]!);
    if (index % 3 > 0) return bytesOf(request);
    const sizes = [1 + Math.floor(random() * 900)];
    return bytesOf(request, ['Transfer-Encoding: chunked'], chunked(request.body, sizes));
  });
  const stream = Buffer.concat(requests);
  const connection = await openRawConnection(stand.port);
  for (let at = 0; at < stream.length; ) {
    const next = at + 1 + Math.floor(random() * 5000);
    await connection.write(stream.subarray(at, next));
    at = next;
  }
  const answers = await connection.awaitAnswers(ids.length, 20_000);
  connection.destroy();
  expect(answers.map(({ status }) => status)).toEqual(
    ids.map((_id, index) => (forged.has(index) ? 401 : 202)),
  );
  for (const [index, id] of ids.entries()) {
    expect(await storedAs(id)).toEqual(
      forged.has(index) ? [] : [sha256(Buffer.from(bodies[index]!))],
    );
    if (forged.has(index)) continue;
    // The answer is this one's, not its neighbour's.
    const [row] = await stand.sql`select id from deliveries where provider_delivery_id = ${id}`;
    expect(JSON.parse(answers[index]!.body)).toEqual({ id: row?.id });
  }
});

test('a connection goes on after an error was answered on it', async () => {
  const connection = await openRawConnection(stand.port);
  const good = () => bytesOf(signedRequest(hook, randomUUID(), body));
  const bad = bytesOf(signedRequest({ ...hook, secret: 'another one' }, randomUUID(), body));
  const missing = Buffer.from('GET /nothing HTTP/1.1\r\nHost: gateway\r\n\r\n');
  let count = 0;
  for (const [request, status] of [
    [good(), 202],
    [bad, 401],
    [good(), 202],
    [missing, 404],
    [good(), 202],
  ] as const) {
    await connection.write(request);
    count += 1;
    const answers = await connection.awaitAnswers(count);
    expect(answers[count - 1]?.status).toBe(status);
  }
  connection.destroy();
});

test('a body is the same whatever the sizes of its chunks, extensions and trailers', async () => {
  const text = JSON.stringify({ text: 'ünïcode and\r\nlines '.repeat(40) });
  const framing = ['Transfer-Encoding: chunked'];
  const plain = (sizes: number[]) => chunked(Buffer.from(text), sizes);
  const variants: Buffer[] = [
    plain([1]),
    plain([7, 1, 64, 3]),
    plain([4096]),
    // Sizes with zeros in front and in capitals, an extension, a trailer.
    Buffer.concat([
      Buffer.from(`000${Buffer.byteLength(text).toString(16).toUpperCase()};name=value;x="y"\r\n`),
      Buffer.from(`${text}\r\n0;last=1\r\nX-Trailer: said after the body\r\n\r\n`),
    ]),
  ];
  for (const variant of variants) {
    const id = randomUUID();
    const connection = await openRawConnection(stand.port);
    await connection.write(bytesOf(signedRequest(hook, id, text), framing, variant));
    expect((await connection.awaitAnswers(1))[0]?.status).toBe(202);
    connection.destroy();
    expect(await storedAs(id)).toEqual([sha256(Buffer.from(text))]);
  }
});

test('a trailer cannot sign, nor name, what the headers did not', async () => {
  const id = randomUUID();
  const { body: bytes, headers, line } = signedRequest(hook, id, body);
  const isSigned = (header: string) => /^x-hub-signature/i.test(header);
  const chunks = chunked(bytes, [bytes.length]).subarray(0, -2);
  const trailers = Buffer.from(`${headers.filter(isSigned).join('\r\n')}\r\n\r\n`);
  const head = [line, ...headers.filter((header) => !isSigned(header))];
  const connection = await openRawConnection(stand.port);
  await connection.write(`${head.join('\r\n')}\r\nTransfer-Encoding: chunked\r\n\r\n`);
  await connection.write(Buffer.concat([chunks, trailers]));
  expect((await connection.awaitAnswers(1))[0]?.status).toBe(401);
  connection.destroy();
  expect(await storedAs(id)).toEqual([]);
});

test('who asks before sending is told to go on, or is refused before sending', async () => {
  const asking = (framing: string, path = `/webhook/${hook.id}`) => {
    const id = randomUUID();
    const request = signedRequest(hook, id, body);
    const line = `POST ${path} HTTP/1.1`;
    return {
      id,
      bytes: bytesOf({ ...request, line }, [framing, 'Expect: 100-continue'], Buffer.alloc(0)),
    };
  };
  const taken = asking(`Content-Length: ${body.length}`);
  const connection = await openRawConnection(stand.port);
  await connection.write(taken.bytes);
  expect((await connection.awaitAnswers(1))[0]?.status).toBe(100);
  await connection.write(body);
  expect((await connection.awaitAnswers(2))[1]?.status).toBe(202);
  connection.destroy();
  expect(await storedAs(taken.id)).toHaveLength(1);

  const refused = [
    { ...asking(`Content-Length: ${26 * 1024 * 1024}`), status: 413 },
    { ...asking('Content-Length: x'), status: 400 },
  ];
  for (const { bytes, status } of refused) {
    const other = await openRawConnection(stand.port);
    await other.write(bytes);
    expect((await other.awaitAnswers(1))[0]?.status).toBe(status);
    other.destroy();
  }
});

test('a client that vanishes amid its body leaves no delivery and no memory behind', async () => {
  const large = 'x'.repeat(2 * 1024 * 1024);
  const ids = Array.from({ length: 20 }, () => randomUUID());
  const connections = await Promise.all(ids.map(() => openRawConnection(stand.port)));
  for (const [index, id] of ids.entries()) {
    const bytes = bytesOf(signedRequest(hook, id, large));
    await connections[index]?.write(bytes.subarray(0, bytes.length - 1 - index));
  }
  await eventually('their bodies are in memory', 10_000, async () => {
    return (await gauge('pilotfish_webhook_body_bytes')) > large.length;
  });
  // Half of them end in good order, half are cut.
  for (const [index, connection] of connections.entries()) {
    if (index % 2 === 0) connection.end();
    else connection.destroy();
  }
  await eventually('the memory is given back', 10_000, async () => {
    return (await gauge('pilotfish_webhook_body_bytes')) === 0;
  });
  for (const connection of connections) connection.destroy();
  for (const id of ids) expect(await storedAs(id)).toEqual([]);
  await goodAnswerMs();
});

const slowCount = 150;
/** Ten and thirty seconds, the second within which it is looked for, and what a busy machine adds. */
const limitsMs = { headers: 15_000, request: 35_000 };

test('slow clients are ended in time and keep nobody out', async () => {
  const id = randomUUID();
  const request = bytesOf(signedRequest(hook, id, body.padEnd(2000, ' ')));
  const headEnd = request.indexOf('\r\n\r\n') + 4;
  const inHeaders = await openSlow(request.subarray(0, headEnd - 80), limitsMs.headers);
  const inBody = await openSlow(request.subarray(0, headEnd + 10), limitsMs.request);
  const slow = [...inHeaders, ...inBody];
  const answersMs: number[] = [];
  while (slow.some((one) => one.endedMs === null)) {
    for (const one of slow) {
      if (one.endedMs === null && one.connection.isClosed())
        one.endedMs = systemClock.monotonicMs();
      if (one.endedMs === null) void one.connection.write('x');
      const ageMs = (one.endedMs ?? systemClock.monotonicMs()) - one.openedMs;
      expect(ageMs).toBeLessThan(one.limitMs);
    }
    answersMs.push(await goodAnswerMs());
    await systemClock.sleep(250);
  }
  expect(Math.max(...answersMs)).toBeLessThan(2000);
  for (const { connection } of slow) {
    expect(connection.answers().filter(({ status }) => status !== 408)).toEqual([]);
    connection.destroy();
  }
  expect(await storedAs(id)).toEqual([]);
}, 60_000);

interface SlowClient {
  readonly connection: RawConnection;
  readonly openedMs: number;
  readonly limitMs: number;
  endedMs: number | null;
}

async function openSlow(start: Buffer, limitMs: number): Promise<SlowClient[]> {
  return await Promise.all(
    Array.from({ length: slowCount }, async () => {
      const connection = await openRawConnection(stand.port);
      await connection.write(start);
      return { connection, openedMs: systemClock.monotonicMs(), limitMs, endedMs: null };
    }),
  );
}
