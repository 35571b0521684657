/**
 * A Bind message of PostgreSQL's protocol (version 3, "Message Formats") whose parameters are arrays
 * in binary format (`array_recv` in src/backend/utils/adt/arrayfuncs.c). Written as text, a `bytea`
 * is twice as long and is made, sent and read digit by digit; written by the driver, it is copied
 * three times (docs/adr/0005-the-durable-step.md has what both cost).
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

export interface BindMessage {
  /** One parameter: an array with one element per row, null where `read` answers null. */
  array<Row, Value>(
    type: ElementType<Value>,
    rows: readonly Row[],
    read: (row: Row) => Value | null,
  ): void;
  /** The whole message; good until the writer begins its next one. */
  finish(): Uint8Array;
}

export interface BindWriter {
  begin(statement: string): BindMessage;
  /** The last message was answered: what was needed for a large one is given back. */
  rest(): void;
}

/** What a writer keeps between two messages; one large batch must not cost memory for ever. */
const keptBytesMax = 4 * 1024 * 1024;
const firstBytes = 64 * 1024;

const binaryFormat = 1;
/** Number of dimensions, "has nulls", element type, length, lower bound: four bytes each. */
const arrayHeadBytes = 20;
const nullLength = -1;

/**
 * Writes one message after the other into the same memory. So a message must have been sent, and
 * answered, before the next one is begun.
 */
export function createBindWriter(): BindWriter {
  let memory = Buffer.allocUnsafeSlow(firstBytes);

  function ensure(used: number, more: number): void {
    if (used + more <= memory.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(used + more, memory.length * 2));
    memory.copy(larger, 0, 0, used);
    memory = larger;
  }

  return {
    rest() {
      if (memory.length > keptBytesMax) memory = Buffer.allocUnsafeSlow(firstBytes);
    },
    begin(statement) {
      memory.write('B', 0, 'latin1');
      // The unnamed portal, the statement, one format for all parameters, their number.
      let at = 5 + memory.write(`\0${statement}\0`, 5);
      at = memory.writeInt16BE(1, at);
      at = memory.writeInt16BE(binaryFormat, at);
      const countAt = at;
      let count = 0;
      at += 2;
      return {
        array(type, rows, read) {
          const values = rows.map(read);
          let bytes = arrayHeadBytes;
          for (const value of values) bytes += 4 + (value === null ? 0 : type.bytesOf(value));
          ensure(at, 4 + bytes);
          count += 1;
          at = memory.writeInt32BE(bytes, at);
          at = memory.writeInt32BE(1, at);
          at = memory.writeInt32BE(values.includes(null) ? 1 : 0, at);
          at = memory.writeInt32BE(type.oid, at);
          at = memory.writeInt32BE(values.length, at);
          at = memory.writeInt32BE(1, at);
          for (const value of values) {
            if (value === null) {
              at = memory.writeInt32BE(nullLength, at);
              continue;
            }
            const length = type.bytesOf(value);
            at = memory.writeInt32BE(length, at);
            type.write(value, memory, at);
            at += length;
          }
        },
        finish() {
          ensure(at, 2);
          // Columns of the answer as text.
          at = memory.writeInt16BE(0, at);
          memory.writeInt16BE(count, countAt);
          memory.writeInt32BE(at - 1, 1);
          return memory.subarray(0, at);
        },
      };
    },
  };
}
