/**
 * PostgreSQL's protocol as far as the race needs it: prepared statements whose parameters are
 * binary and lie in one buffer, several of them in one round trip, and COPY in. One request at a
 * time per connection. Not for anything but measuring.
 */
import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';

/** Writes messages into memory that is kept from one request to the next. */
export class Writer {
  buffer = Buffer.allocUnsafe(1 << 20);
  length = 0;

  reserve(bytes: number): void {
    if (this.length + bytes <= this.buffer.length) return;
    const larger = Buffer.allocUnsafe(Math.max(this.buffer.length * 2, this.length + bytes));
    this.buffer.copy(larger, 0, 0, this.length);
    this.buffer = larger;
  }

  i8(value: number): this {
    this.reserve(1);
    this.buffer[this.length] = value;
    this.length += 1;
    return this;
  }

  i16(value: number): this {
    this.reserve(2);
    this.length = this.buffer.writeInt16BE(value, this.length);
    return this;
  }

  i32(value: number): this {
    this.reserve(4);
    this.length = this.buffer.writeInt32BE(value, this.length);
    return this;
  }

  i64(value: bigint): this {
    this.reserve(8);
    this.length = this.buffer.writeBigInt64BE(value, this.length);
    return this;
  }

  bytes(value: Uint8Array): this {
    this.reserve(value.length);
    this.buffer.set(value, this.length);
    this.length += value.length;
    return this;
  }

  text(value: string): this {
    this.reserve(value.length * 3);
    this.length += this.buffer.write(value, this.length);
    return this;
  }

  zeroEnded(value: string): this {
    return this.text(value).i8(0);
  }

  /** Writes what `fill` writes, with its length in front. */
  sized(fill: () => void, includesItself = false): this {
    const at = this.length;
    this.i32(0);
    fill();
    this.buffer.writeInt32BE(this.length - at - (includesItself ? 0 : 4), at);
    return this;
  }

  message(type: string, fill: () => void = () => undefined): this {
    return this.i8(type.charCodeAt(0)).sized(fill, true);
  }

  take(): Buffer {
    const taken = this.buffer.subarray(0, this.length);
    this.length = 0;
    return taken;
  }
}

export interface Wire {
  readonly writer: Writer;
  /** Sends what was written and resolves with the number of rows at the server's next "ready". */
  flush(): Promise<number>;
  prepare(name: string, statement: string): Promise<void>;
  close(): void;
}

interface Pending {
  rows: number;
  failure: Error | null;
  resolve(rows: number): void;
  reject(error: Error): void;
}

/** @throws Error where the server refuses, with its own words */
export async function openWire(url: string): Promise<Wire> {
  const { hostname, port, username, password, pathname } = new URL(url);
  const socket = connect({ host: hostname, port: Number(port), noDelay: true });
  const writer = new Writer();
  let pending: Pending | null = null;
  const scram = scramOf(password);

  const answer = (type: string, body: Buffer) => {
    if (type === 'D' && pending !== null) pending.rows += 1;
    else if (type === 'E' && pending !== null) pending.failure ??= new Error(wordsOf(body));
    else if (type === 'R') authenticate(socket, writer, scram, body);
    else if (type === 'Z' && pending !== null) {
      const { failure, rows, resolve, reject } = pending;
      pending = null;
      if (failure === null) resolve(rows);
      else reject(failure);
    }
  };
  readMessages(socket, answer);
  socket.on('error', (error) => pending?.reject(error));
  const flush = () =>
    new Promise<number>((resolve, reject) => {
      pending = { rows: 0, failure: null, resolve, reject };
      socket.write(writer.take());
    });
  writer.sized(() => {
    writer.i32(196_608).zeroEnded('user').zeroEnded(username);
    writer.zeroEnded('database').zeroEnded(pathname.slice(1)).i8(0);
  }, true);
  await flush();
  return {
    writer,
    flush,
    async prepare(name, statement) {
      writer.message('P', () => writer.zeroEnded(name).zeroEnded(statement).i16(0));
      writer.message('S');
      await flush();
    },
    close: () => socket.destroy(),
  };
}

function readMessages(socket: Socket, answer: (type: string, body: Buffer) => void): void {
  let rest: Buffer = Buffer.alloc(0);
  socket.on('data', (chunk: Buffer) => {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    while (rest.length >= 5) {
      const end = 1 + rest.readInt32BE(1);
      if (rest.length < end) return;
      answer(String.fromCharCode(rest[0] ?? 0), rest.subarray(5, end));
      rest = rest.subarray(end);
    }
  });
}

function wordsOf(body: Buffer): string {
  return body.toString().split('\0').filter(Boolean).join(' ');
}

interface Scram {
  readonly first: string;
  /** The client's last message for the server's first one. */
  finish(challenge: string): string;
}

/** SCRAM-SHA-256 (RFC 7677); whether the server knows the password too is not asked. */
function scramOf(password: string): Scram {
  const first = `n=,r=${randomBytes(18).toString('base64')}`;
  return {
    first,
    finish(challenge) {
      const [, nonce = '', salt = '', count = ''] =
        /^r=([^,]+),s=([^,]+),i=(\d+)/.exec(challenge) ?? [];
      const salted = pbkdf2Sync(password, Buffer.from(salt, 'base64'), Number(count), 32, 'sha256');
      const key = createHmac('sha256', salted).update('Client Key').digest();
      const stored = createHash('sha256').update(key).digest();
      const last = `c=biws,r=${nonce}`;
      const signature = createHmac('sha256', stored)
        .update(`${first},${challenge},${last}`)
        .digest();
      const proof = key.map((byte, i) => byte ^ (signature[i] ?? 0));
      return `${last},p=${Buffer.from(proof).toString('base64')}`;
    },
  };
}

function authenticate(socket: Socket, writer: Writer, scram: Scram, body: Buffer): void {
  const kind = body.readInt32BE(0);
  if (kind === 10) {
    const first = `n,,${scram.first}`;
    writer.message('p', () => writer.zeroEnded('SCRAM-SHA-256').sized(() => writer.text(first)));
  } else if (kind === 11) {
    writer.message('p', () => writer.text(scram.finish(body.subarray(4).toString())));
  } else return;
  socket.write(Buffer.from(writer.take()));
}
