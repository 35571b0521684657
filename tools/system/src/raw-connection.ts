/** HTTP over a bare socket, for what no HTTP client would send. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { systemClock } from '@pilotfish/kernel';
import { signDelivery, type TestHook } from '@pilotfish/testing';

/** One answer; informational ones (1xx) are answers of their own. */
export interface RawAnswer {
  readonly status: number;
  /** Status line and headers. */
  readonly head: string;
  readonly body: string;
}

export interface RawConnection {
  /** Resolves when the bytes are with the system, or the connection is gone. */
  write(bytes: string | Uint8Array): Promise<void>;
  /** Ends this direction only. */
  end(): void;
  destroy(): void;
  /** Answers so far that are complete. */
  answers(): readonly RawAnswer[];
  /** Waits for that many answers. @throws where the connection ends before, or after `msMax` */
  awaitAnswers(count: number, msMax?: number): Promise<readonly RawAnswer[]>;
  /** Waits for the end that the server makes. @throws after `msMax` */
  awaitClose(msMax?: number): Promise<void>;
  isClosed(): boolean;
}

const answerMsMax = 10_000;

export async function openRawConnection(port: number): Promise<RawConnection> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
  let received = Buffer.alloc(0);
  let isOver = false;
  let changed = Promise.withResolvers<void>();
  const wake = () => {
    changed.resolve();
    changed = Promise.withResolvers();
  };
  socket.on('data', (chunk: Buffer) => {
    received = Buffer.concat([received, chunk]);
    wake();
  });
  const over = () => {
    isOver = true;
    wake();
  };
  // A server that is done with us ends its direction; whether it reads ours does not matter then.
  socket.on('end', over).on('close', over).on('error', over);
  await once(socket, 'connect');
  const answers = () => parseAnswers(received);

  async function awaitThat(what: string, msMax: number, holds: () => boolean): Promise<void> {
    const signal = AbortSignal.timeout(msMax);
    while (!holds()) {
      if (signal.aborted) throw new Error(`not within ${msMax} ms: ${what}; got ${received}`);
      const late = new AbortController();
      const tick = systemClock.sleep(50, late.signal).catch(() => undefined);
      await Promise.race([changed.promise, tick]);
      late.abort();
    }
  }

  return {
    write: (bytes) =>
      new Promise((resolve) => {
        if (socket.destroyed) resolve();
        else socket.write(bytes, () => resolve());
      }),
    end: () => void socket.end(),
    destroy: () => void socket.destroy(),
    answers,
    async awaitAnswers(count, msMax = answerMsMax) {
      await awaitThat(`${count} answers`, msMax, () => answers().length >= count || isOver);
      const all = answers();
      if (all.length < count) throw new Error(`ended after ${all.length} answers: ${received}`);
      return all;
    },
    async awaitClose(msMax = answerMsMax) {
      await awaitThat('the server ends the connection', msMax, () => isOver);
      socket.destroy();
    },
    isClosed: () => isOver,
  };
}

function parseAnswers(received: Buffer): RawAnswer[] {
  const answers: RawAnswer[] = [];
  for (let at = 0; ; ) {
    const headEnd = received.indexOf('\r\n\r\n', at);
    if (headEnd === -1) return answers;
    const head = received.subarray(at, headEnd).toString('latin1');
    const bytes = Number(/^content-length: *(\d+)/im.exec(head)?.[1] ?? 0);
    at = headEnd + 4 + bytes;
    if (at > received.length) return answers;
    const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(head)?.[1] ?? 0);
    answers.push({ status, head, body: received.subarray(headEnd + 4, at).toString() });
  }
}

/** A signed delivery as one HTTP/1.1 request, taken apart so that a test can break it. */
export interface RawRequest {
  readonly line: string;
  /** Without those that say where the body ends. */
  readonly headers: readonly string[];
  readonly body: Buffer;
  readonly deliveryId: string;
}

export function signedRequest(hook: TestHook, deliveryId: string, body: string): RawRequest {
  const signed = signDelivery({ provider: hook.provider, secret: hook.secret, deliveryId, body });
  return {
    line: `POST /webhook/${hook.id} HTTP/1.1`,
    headers: ['Host: gateway', ...Object.entries(signed).map((entry) => entry.join(': '))],
    body: Buffer.from(body),
    deliveryId,
  };
}

/** As a client sends it: with a length, unless other headers say where the body ends. */
export function bytesOf(request: RawRequest, framing?: readonly string[], body?: Buffer): Buffer {
  const { headers, line } = request;
  const sent = body ?? request.body;
  const all = [line, ...headers, ...(framing ?? [`Content-Length: ${sent.length}`])];
  return Buffer.concat([Buffer.from(`${all.join('\r\n')}\r\n\r\n`, 'latin1'), sent]);
}

/** The chunked form of a body, cut into pieces of these sizes, the last size again and again. */
export function chunked(body: Buffer, sizes: readonly number[]): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0, index = 0; at < body.length; index += 1) {
    const size = sizes[Math.min(index, sizes.length - 1)] ?? 1;
    const piece = body.subarray(at, at + size);
    parts.push(Buffer.from(`${piece.length.toString(16)}\r\n`), piece, Buffer.from('\r\n'));
    at += piece.length;
  }
  return Buffer.concat([...parts, Buffer.from('0\r\n\r\n')]);
}
