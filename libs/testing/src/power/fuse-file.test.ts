import { expect, test } from 'vitest';
import { answerFuse } from './fuse-file.ts';

const calls: string[] = [];
const file = {
  sizeBytes: 8192,
  read: (offset: number, length: number) => {
    calls.push(`read ${length} at ${offset}`);
    return new Uint8Array(length);
  },
  write: (offset: number, data: Uint8Array) => void calls.push(`write ${data.length} at ${offset}`),
  sync: () => void calls.push('sync'),
};

/** A request as linux/fuse.h lays it out. */
function request(opcode: number, body: Buffer = Buffer.alloc(0)): Buffer {
  const header = Buffer.alloc(40);
  header.writeUInt32LE(40 + body.length, 0);
  header.writeUInt32LE(opcode, 4);
  header.writeBigUInt64LE(77n, 8);
  return Buffer.concat([header, body]);
}

function extent(offset: number, size: number, data = Buffer.alloc(0)): Buffer {
  const body = Buffer.alloc(40);
  body.writeBigUInt64LE(BigInt(offset), 8);
  body.writeUInt32LE(size, 16);
  return Buffer.concat([body, data]);
}

const errorOf = (answer: Buffer | null) => answer?.readInt32LE(4);

test.each([
  ['a read is cut at the end of the file', 15, extent(4096, 8192), ['read 4096 at 4096'], 0],
  ['a write', 16, extent(4096, 4096, Buffer.alloc(4096)), ['write 4096 at 4096'], 0],
  ['a write beyond the end is refused', 16, extent(8192, 1, Buffer.alloc(1)), [], -28],
  ['an fsync makes durable', 20, extent(0, 0), ['sync'], 0],
  ['a close makes nothing durable', 25, extent(0, 0), [], 0],
  ['a release makes nothing durable', 18, extent(0, 0), [], 0],
  ['what it does not know it says it does not', 43, extent(0, 0), [], -38],
])('%s', (_, opcode, body, expected, error) => {
  calls.length = 0;
  const answer = answerFuse(request(opcode, body), file);
  expect(calls).toEqual(expected);
  expect(errorOf(answer)).toBe(error);
  expect(answer?.readUInt32LE(0)).toBe(answer?.length);
  expect(answer?.readBigUInt64LE(8)).toBe(77n);
});

test('a forgotten node is not answered', () => {
  expect(answerFuse(request(2, Buffer.alloc(8)), file)).toBeNull();
});
