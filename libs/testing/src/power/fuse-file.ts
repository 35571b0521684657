/**
 * The kernel's FUSE protocol, as far as one regular file needs it that is the root of its own file
 * system: `mount -t fuse -o fd=…,rootmode=100000` puts it over an existing file. Structures and
 * numbers are those of linux/fuse.h, protocol 7.31. Spoken here because what is needed is this
 * little, and so neither a library nor a package of the machine is.
 */
import { constants } from 'node:os';

/** The file behind the protocol: what the kernel asks comes down to these three. */
export interface FuseFile {
  readonly sizeBytes: number;
  read(offset: number, length: number): Uint8Array;
  write(offset: number, data: Uint8Array): void;
  /** Returns when everything that was written is durable. */
  sync(): void;
}

const opcodes = {
  forget: 2,
  getattr: 3,
  setattr: 4,
  open: 14,
  read: 15,
  write: 16,
  statfs: 17,
  release: 18,
  fsync: 20,
  flush: 25,
  init: 26,
  access: 34,
  interrupt: 36,
  destroy: 38,
  batchForget: 42,
} as const;

const inHeaderBytes = 40;
const outHeaderBytes = 16;
/** Without negotiated flags the kernel sends at most 32 pages in one request. */
const writeBytesMax = 32 * 4096;
/** Enough for the largest request. */
export const requestBytesMax = writeBytesMax + 4096;

const directIo = 1;
const attributesValidSeconds = 3600n;
const sectorBytes = 512n;

/** Answers one request of the kernel; null where it expects no answer. */
export function answerFuse(request: Buffer, file: FuseFile): Buffer | null {
  const opcode = request.readUInt32LE(4);
  const unique = request.readBigUInt64LE(8);
  const body = request.subarray(inHeaderBytes);
  switch (opcode) {
    case opcodes.init:
      return reply(unique, initOut());
    case opcodes.getattr:
    case opcodes.setattr:
      return reply(unique, attrOut(file.sizeBytes));
    case opcodes.open:
      return reply(unique, openOut());
    case opcodes.read: {
      const { offset, size } = extentOf(body);
      const length = Math.max(0, Math.min(size, file.sizeBytes - offset));
      return reply(unique, file.read(offset, length));
    }
    case opcodes.write: {
      const { offset, size } = extentOf(body);
      if (offset + size > file.sizeBytes) return failure(unique, constants.errno.ENOSPC);
      file.write(offset, body.subarray(40, 40 + size));
      const out = Buffer.alloc(8);
      out.writeUInt32LE(size, 0);
      return reply(unique, out);
    }
    case opcodes.fsync:
      file.sync();
      return reply(unique);
    case opcodes.statfs:
      return reply(unique, Buffer.alloc(80));
    // A close is no flush: it must not make anything durable.
    case opcodes.flush:
    case opcodes.release:
    case opcodes.access:
    case opcodes.destroy:
      return reply(unique);
    case opcodes.forget:
    case opcodes.batchForget:
    case opcodes.interrupt:
      return null;
    default:
      return failure(unique, constants.errno.ENOSYS);
  }
}

/** `fuse_read_in` and `fuse_write_in` begin alike. */
function extentOf(body: Buffer): { offset: number; size: number } {
  return { offset: Number(body.readBigUInt64LE(8)), size: body.readUInt32LE(16) };
}

function initOut(): Buffer {
  const out = Buffer.alloc(64);
  out.writeUInt32LE(7, 0);
  out.writeUInt32LE(31, 4);
  out.writeUInt16LE(64, 16); // requests in the background
  out.writeUInt16LE(48, 18); // of them before the kernel holds back
  out.writeUInt32LE(writeBytesMax, 20);
  out.writeUInt32LE(1, 24); // granularity of time stamps, in ns
  return out;
}

function attrOut(sizeBytes: number): Buffer {
  const out = Buffer.alloc(104);
  out.writeBigUInt64LE(attributesValidSeconds, 0);
  const attr = out.subarray(16);
  attr.writeBigUInt64LE(1n, 0);
  attr.writeBigUInt64LE(BigInt(sizeBytes), 8);
  attr.writeBigUInt64LE(BigInt(sizeBytes) / sectorBytes, 16);
  attr.writeUInt32LE(0o100600, 60);
  attr.writeUInt32LE(1, 64);
  attr.writeUInt32LE(4096, 80);
  return out;
}

function openOut(): Buffer {
  const out = Buffer.alloc(16);
  // Past the page cache, so that every write of the block device is one of the disk at once.
  out.writeUInt32LE(directIo, 8);
  return out;
}

function reply(unique: bigint, data: Uint8Array = new Uint8Array()): Buffer {
  const out = Buffer.alloc(outHeaderBytes + data.length);
  out.writeUInt32LE(out.length, 0);
  out.writeBigUInt64LE(unique, 8);
  out.set(data, outHeaderBytes);
  return out;
}

function failure(unique: bigint, errno: number): Buffer {
  const out = reply(unique);
  out.writeInt32LE(-errno, 4);
  return out;
}
