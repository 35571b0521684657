/** Requests of which two readers could disagree where they end: a second one never hides in them. */
import { randomUUID } from 'node:crypto';
import type { TestHook } from '@pilotfish/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type GatewayStand, openGatewayStand } from './src/gateway-stand.ts';
import { bytesOf, chunked, openRawConnection, signedRequest } from './src/raw-connection.ts';
import { eventually } from './src/wait.ts';

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

/** The bytes of a delivery that would be taken if it were read as a request. */
function hidden(): { id: string; bytes: Buffer } {
  const id = randomUUID();
  return { id, bytes: bytesOf(signedRequest(hook, id, body)) };
}

async function isStored(deliveryId: string): Promise<boolean> {
  const rows = await stand.sql`select 1 from deliveries
    where incoming_webhook_id = ${hook.id} and provider_delivery_id = ${deliveryId}`;
  return rows.length > 0;
}

/** Sends it all, hears the server out, and says what it answered. */
async function attack(bytes: Buffer): Promise<number[]> {
  const connection = await openRawConnection(stand.port);
  await connection.write(bytes);
  connection.end();
  await connection.awaitClose(40_000);
  return connection.answers().map(({ status }) => status);
}

/** How an ambiguous request says where it ends; `inner` is what must not be read as a request. */
interface Ambiguity {
  readonly name: string;
  readonly framing: (outerBody: Buffer, inner: Buffer) => readonly string[];
  readonly body: (outerBody: Buffer, inner: Buffer) => Buffer;
}

const end = Buffer.from('0\r\n\r\n');
const afterLastChunk = (_outer: Buffer, inner: Buffer) => Buffer.concat([end, inner]);
const insideChunk = (_outer: Buffer, inner: Buffer) => chunked(inner, [inner.length]);
const lengthOfAll = (_outer: Buffer, inner: Buffer) => `Content-Length: ${5 + inner.length}`;
const chunkedSpelled = (...spellings: string[]) =>
  spellings.map(
    (spelling): Ambiguity => ({
      name: `TE.TE, ${JSON.stringify(spelling)}`,
      framing: (outer, inner) => [lengthOfAll(outer, inner), ...spelling.split('\r\n')],
      body: afterLastChunk,
    }),
  );
const lengthSpelled = (...spellings: string[]) =>
  spellings.map(
    (spelling): Ambiguity => ({
      name: `a length of ${JSON.stringify(spelling)}`,
      framing: () => [`Content-Length: ${spelling}`],
      body: (outer, inner) => Buffer.concat([outer, inner]),
    }),
  );
/** Chunks that some read as the last one, or as longer or shorter than they are. */
const chunkSpelled = (...spellings: string[]) =>
  spellings.map(
    (spelling): Ambiguity => ({
      name: `a chunk that begins with ${JSON.stringify(spelling)}`,
      framing: () => ['Transfer-Encoding: chunked'],
      body: (_outer, inner) => Buffer.concat([Buffer.from(spelling, 'latin1'), end, inner]),
    }),
  );

const ambiguities: readonly Ambiguity[] = [
  {
    name: 'CL.TE',
    framing: (outer, inner) => [lengthOfAll(outer, inner), 'Transfer-Encoding: chunked'],
    body: afterLastChunk,
  },
  {
    name: 'TE.CL',
    framing: (_outer, inner) => [
      'Transfer-Encoding: chunked',
      `Content-Length: ${inner.length.toString(16).length + 2}`,
    ],
    body: insideChunk,
  },
  {
    name: 'two different lengths, the shorter one first',
    framing: (outer, inner) => [
      `Content-Length: ${outer.length}`,
      `Content-Length: ${outer.length + inner.length}`,
    ],
    body: (outer, inner) => Buffer.concat([outer, inner]),
  },
  {
    name: 'two different lengths, the longer one first',
    framing: (outer, inner) => [
      `Content-Length: ${outer.length + inner.length}`,
      `Content-Length: ${outer.length}`,
    ],
    body: (outer, inner) => Buffer.concat([outer, inner]),
  },
  {
    name: 'a length and none',
    framing: (outer) => [`Content-Length: ${outer.length}`, 'Content-Length: 0'],
    body: (outer, inner) => Buffer.concat([outer, inner]),
  },
  ...lengthSpelled('+25', '-1', '0x19', '25, 25', '25,25', '2 5', '25;', '25.0', '1e1', '٢٥'),
  ...lengthSpelled('18446744073709551641', '', '25\u000b', '\u00002', 'chunked'),
  ...chunkedSpelled(
    'Transfer-Encoding: xchunked',
    'Transfer-Encoding : chunked',
    'Transfer-Encoding: chunked\r\nTransfer-Encoding: x',
    'Transfer-Encoding: x\r\nTransfer-Encoding: chunked',
    'Transfer-Encoding:[tab]chunked'.replace('[tab]', '\t'),
    ' Transfer-Encoding: chunked',
    'X: X\nTransfer-Encoding: chunked',
    'Transfer-Encoding\r\n : chunked',
    'Transfer-Encoding:\r\n chunked',
    'Transfer-Encoding: chunked, identity',
    'Transfer-Encoding: identity, chunked',
    'Transfer-Encoding: identity',
    'Transfer-Encoding: "chunked"',
    'Transfer-Encoding: chunked;q=1',
    'transfer-encoding: CHUNKED',
    'Transfer-Encoding: \u000bchunked',
    'Transfer-Encoding: chunked\u0000',
    'Transfer_Encoding: chunked',
    'Transfer-Encoding: chunked, chunked',
    'X: x\rTransfer-Encoding: chunked',
  ),
  ...chunkSpelled(
    '0 \r\n\r\n',
    '-0\r\n\r\n',
    '0x0\r\n\r\n',
    '00000000000000000\n\n',
    '0;\n\r\n',
    '0;x="\r\n\r\n',
    '0\n\n',
    '0\r\r\n',
    'FFFFFFFFFFFFFFFFF\r\n',
    '1\r\nXY\r\n',
    '2\r\nX\r\n',
    '5\nhello\n',
    '\r\n0\r\n\r\n',
    'g\r\n',
  ),
];

test.each(ambiguities)('nothing is smuggled by $name', async (ambiguity) => {
  const outerId = randomUUID();
  const outer = signedRequest(hook, outerId, body);
  const inner = hidden();
  const framing = ambiguity.framing(outer.body, inner.bytes);
  const bytes = bytesOf(outer, framing, ambiguity.body(outer.body, inner.bytes));
  const statuses = await attack(bytes);
  expect(await isStored(inner.id)).toBe(false);
  expect(await isStored(outerId)).toBe(false);
  // It is refused as a whole, and what follows is not looked at.
  expect(statuses.length, String(statuses)).toBeLessThanOrEqual(1);
  for (const status of statuses) expect(status).toBeGreaterThanOrEqual(400);
  expect(statuses).not.toContain(500);
});

test('a request in the body of one that is refused is no request', async () => {
  const inners: string[] = [];
  const refuse = async (name: string, path: string, announced: number, status: number) => {
    const inner = hidden();
    inners.push(inner.id);
    const line = `POST ${path} HTTP/1.1`;
    const head = `${line}\r\nHost: gateway\r\nContent-Length: ${inner.bytes.length + announced}\r\n`;
    const connection = await openRawConnection(stand.port);
    await connection.write(Buffer.concat([Buffer.from(`${head}\r\n`), inner.bytes]));
    const [answer] = await connection.awaitAnswers(1);
    expect(answer?.status, name).toBe(status);
    connection.end();
    await connection.awaitClose();
    // To one whose body never ends, the end of the connection may be told as well.
    const later = connection.answers().slice(1);
    expect(later.filter(({ status }) => status !== 400)).toEqual([]);
  };
  await refuse('no signature', `/webhook/${hook.id}`, 0, 401);
  await refuse('an unknown webhook', `/webhook/${randomUUID()}`, 0, 401);
  await refuse('too large', `/webhook/${hook.id}`, 26 * 1024 * 1024, 413);
  await refuse('no such path', '/nothing', 0, 404);
  await stand.postgres.kill();
  await eventually('the gateway knows that the database is away', 20_000, async () => {
    const url = `${stand.url}/webhook/${hook.id}`;
    return (await fetch(url, { method: 'POST', body })).status === 503;
  });
  await refuse('no database', `/webhook/${hook.id}`, 0, 503);
  await refuse('no database, and more to come', `/webhook/${hook.id}`, 1000, 503);
  await stand.postgres.start();
  for (const id of inners) expect(await isStored(id)).toBe(false);
});
