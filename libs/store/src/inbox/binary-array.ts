/**
 * Arrays in PostgreSQL's binary format (`array_recv` in src/backend/utils/adt/arrayfuncs.c). Written
 * as text, a `bytea` is twice as long and is made, sent and read digit by digit
 * (docs/adr/0005-the-durable-step.md has what that costs).
 */

/** How the elements of one type are written. */
interface ElementType<Value> {
  /** The type's object id, the same in every database (pg_type.dat). */
  readonly oid: number;
  bytesOf(value: Value): number;
  write(value: Value, into: Buffer, at: number): void;
}

export const bytea: ElementType<Uint8Array> = {
  oid: 17,
  bytesOf: (value) => value.length,
  write: (value, into, at) => into.set(value, at),
};

export const text: ElementType<string> = {
  oid: 25,
  bytesOf: (value) => Buffer.byteLength(value),
  write: (value, into, at) => into.write(value, at),
};

/** Microseconds since 2000-01-01, from milliseconds since 1970-01-01. */
export const timestamptz: ElementType<number> = {
  oid: 1184,
  bytesOf: () => 8,
  write: (epochMs, into, at) => into.writeBigInt64BE(BigInt(epochMs - epochMs2000) * 1000n, at),
};
const epochMs2000 = 946_684_800_000;

/** From the usual text with hyphens. Ten times as fast as removing them and reading hex. */
export const uuid: ElementType<string> = {
  oid: 2950,
  bytesOf: () => 16,
  write(value, into, at) {
    let from = 0;
    for (let i = 0; i < 16; i += 1) {
      if (i === 4 || i === 6 || i === 8 || i === 10) from += 1;
      into[at + i] = (digitOf(value.charCodeAt(from)) << 4) | digitOf(value.charCodeAt(from + 1));
      from += 2;
    }
  },
};

/** The value of a hexadecimal digit in either case. */
function digitOf(code: number): number {
  return code <= 0x39 ? code - 0x30 : (code | 0x20) - 0x57;
}

/** Number of dimensions, "has nulls", element type, length, lower bound: four bytes each. */
const headBytes = 20;
const nullLength = -1;

/** An array of one dimension with one element per row; null where `read` answers null. */
export function encodeArray<Row, Value>(
  type: ElementType<Value>,
  rows: readonly Row[],
  read: (row: Row) => Value | null,
): Buffer {
  const values = rows.map(read);
  let bytes = headBytes;
  for (const value of values) bytes += 4 + (value === null ? 0 : type.bytesOf(value));
  const array = Buffer.allocUnsafe(bytes);
  let at = headBytes;
  for (const value of values) {
    if (value === null) {
      at = array.writeInt32BE(nullLength, at);
      continue;
    }
    const length = type.bytesOf(value);
    at = array.writeInt32BE(length, at);
    type.write(value, array, at);
    at += length;
  }
  array.writeInt32BE(1, 0);
  array.writeInt32BE(values.includes(null) ? 1 : 0, 4);
  array.writeInt32BE(type.oid, 8);
  array.writeInt32BE(rows.length, 12);
  array.writeInt32BE(1, 16);
  return array;
}
