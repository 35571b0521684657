import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Fault } from '@pilotfish/kernel';
import { seededRandom } from '@pilotfish/testing';
import { expect, onTestFinished, test, vi } from 'vitest';
import { createByteBudget } from './byte-budget.ts';
import { type BodyLimits, type ReadBody, readBody } from './read-body.ts';

const mebibyte = 1024 * 1024;
const head = 'POST / HTTP/1.1\r\nHost: x\r\n';

type Outcome = ReadBody | Fault;

/** A server that reads each body within these limits, and what became of the bodies. */
async function reading(change: Partial<BodyLimits> = {}) {
  const budget = createByteBudget(16 * mebibyte);
  const outcomes: Promise<Outcome>[] = [];
  const heard: (() => void)[] = [];
  const arrivals: ((request: IncomingMessage) => void | Promise<void>)[] = [];
  const hear = async (request: IncomingMessage) => {
    await arrivals.shift()?.(request);
    const limits = { budget, owner: 'acme', bytesMax: 8 * mebibyte, ...change };
    outcomes.push(readBody(request, limits).catch((thrown: Fault) => thrown));
    heard.shift()?.();
  };
  const server = createServer((request) => void hear(request));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const sockets: Socket[] = [];
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return {
    budget,
    arrivals,
    open(): Socket {
      const socket = connect({ port, host: '127.0.0.1' }).on('error', () => undefined);
      sockets.push(socket);
      return socket;
    },
    /** The next body, once its request has been heard. */
    async outcome(): Promise<Outcome> {
      if (outcomes.length === 0) await new Promise<void>((resolve) => heard.push(resolve));
      return await outcomes.shift()!;
    },
  };
}

function chunk(bytes: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, crlf]);
}
const crlf = Buffer.from('\r\n');
const lastChunk = Buffer.from('0\r\n\r\n');

const chunkedHead = Buffer.from(`${head}Transfer-Encoding: chunked\r\n\r\n`);

test('a body is what was sent, however it was cut, and is held until it is given back', async () => {
  const { budget, open, outcome } = await reading();
  const random = seededRandom();
  const socket = open();
  for (const sizeMax of [1, 3, 40, 5000, 90_000]) {
    const pieces = Array.from({ length: 40 }, (_value, n) =>
      Buffer.alloc(1 + Math.floor(random() * sizeMax), n + 1),
    );
    socket.write(Buffer.concat([chunkedHead, ...pieces.map(chunk), lastChunk]));
    const { body, reservation } = (await outcome()) as ReadBody;
    expect(body.equals(Buffer.concat(pieces))).toBe(true);
    expect(budget.usedBytes()).toBe(body.length);
    reservation.release();
    expect(budget.usedBytes()).toBe(0);
  }
});

/** What is in use, without what nobody refers to any more. */
function usedBytes(): number {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

test('very many small pieces take no more memory than the budget counts', async () => {
  const { budget, open } = await reading();
  const count = 200_000;
  const before = usedBytes();
  open().write(Buffer.concat([chunkedHead, Buffer.alloc(6 * count, '1\r\nx\r\n')]));
  await vi.waitFor(() => expect(budget.usedBytes()).toBe(count), { timeout: 10_000 });
  expect(usedBytes() - before).toBeLessThan(8 * mebibyte);
});

test('a body may be as large as allowed, announced or not, and not a byte larger', async () => {
  const { budget, open, outcome } = await reading({ bytesMax: 5000 });
  for (const [bytes, code] of [
    [5000, undefined],
    [5001, 'too_large'],
  ] as const) {
    const body = Buffer.alloc(bytes, 'x');
    open().write(Buffer.concat([Buffer.from(`${head}Content-Length: ${bytes}\r\n\r\n`), body]));
    expect(await outcome()).toMatchObject(code ? { code } : { body });
    open().write(Buffer.concat([chunkedHead, chunk(body), lastChunk]));
    expect(await outcome()).toMatchObject(code ? { code } : { body });
  }
  // The two that were taken.
  expect(budget.usedBytes()).toBe(10_000);
});

test('what does not fit the budget is refused before it is sent, and nothing of it is kept', async () => {
  const accepted: string[] = [];
  const { budget, open, outcome } = await reading({ onAccepted: () => accepted.push('go on') });
  const other = budget.reserve('acme');
  other.grow(7 * mebibyte);
  open().write(`${head}Content-Length: ${2 * mebibyte}\r\n\r\n`);
  expect(await outcome()).toMatchObject({ code: 'overloaded' });
  expect(accepted).toEqual([]);
  // One that announces nothing is refused as soon as it is too much.
  open().write(Buffer.concat([chunkedHead, chunk(Buffer.alloc(2 * mebibyte))]));
  expect(await outcome()).toMatchObject({ code: 'overloaded' });
  expect(accepted).toEqual(['go on']);
  expect(budget.usedBytes()).toBe(7 * mebibyte);
});

test('a sender that goes away, early or in the middle, leaves nothing behind', async () => {
  const { arrivals, budget, open, outcome } = await reading();
  const inTheMiddle = open();
  inTheMiddle.write(`${head}Content-Length: 100\r\n\r\nbeginning`);
  await vi.waitFor(() => expect(budget.usedBytes()).toBe(9));
  inTheMiddle.destroy();
  expect(await outcome()).toMatchObject({ code: 'invalid_input' });
  // Gone before it is read.
  const early = open();
  arrivals.push(async (request) => {
    early.destroy();
    await new Promise<void>((resolve) => request.once('close', resolve));
  });
  early.write(`${head}Content-Length: 100\r\n\r\nbeginning`);
  expect(await outcome()).toMatchObject({ code: 'invalid_input' });
  expect(budget.usedBytes()).toBe(0);
});
