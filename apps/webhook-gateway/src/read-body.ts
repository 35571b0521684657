import type { IncomingMessage } from 'node:http';
import { Fault } from '@pilotfish/kernel';
import type { ByteBudget, Reservation } from './byte-budget.ts';

export interface ReadBody {
  readonly body: Buffer;
  /** To be released when nothing refers to the body any more. */
  readonly reservation: Reservation;
}

export interface BodyLimits {
  readonly budget: ByteBudget;
  /** Whose share of the budget it takes. */
  readonly owner: string;
  readonly bytesMax: number;
  /** Called once what was announced fits: then the sender may go on. */
  readonly onAccepted?: () => void;
}

/**
 * Reads a request's raw bytes. What is refused is refused before it is held; the rest of such a
 * request is thrown away by the server as it arrives.
 *
 * @throws Fault `too_large`, `overloaded` where the budget is spent, `invalid_input` where the
 * sender went away
 */
export function readBody(request: IncomingMessage, limits: BodyLimits): Promise<ReadBody> {
  return new Promise((resolve, reject) => {
    const { budget, owner, bytesMax } = limits;
    const announced = Number(request.headers['content-length'] ?? 0);
    if (announced > bytesMax) throw tooLarge();
    if (!budget.hasRoomFor(owner, announced)) {
      throw new Fault('overloaded', 'Too many deliveries at once');
    }
    limits.onAccepted?.();
    // Its sender may have gone while the webhook was looked up: then no event comes any more.
    if (request.destroyed) throw gone();
    const reservation = budget.reserve(owner);
    const pieces = createPieces();
    let bytes = 0;
    let isOver = false;
    const fail = (error: unknown) => {
      if (isOver) return;
      isOver = true;
      reservation.release();
      reject(error);
    };
    request.on('data', (chunk: Buffer) => {
      if (isOver) return;
      try {
        bytes += chunk.length;
        if (bytes > bytesMax) throw tooLarge();
        reservation.grow(chunk.length);
        pieces.add(chunk);
      } catch (error) {
        pieces.drop();
        fail(error);
      }
    });
    request.on('end', () => {
      if (isOver) return;
      isOver = true;
      resolve({ body: pieces.join(), reservation });
    });
    // Comes after each request; where its body did not end before, its sender has gone.
    request.on('close', () => {
      if (!isOver) fail(gone());
    });
    request.on('error', () => fail(gone()));
  });
}

/** What is shorter, and not the first piece of its body, is copied next to what came before. */
const shortBytes = 4096;
const blockBytes = { first: 1024, max: 16 * 1024 };
const nothing = Buffer.alloc(0);

/**
 * What has arrived of a body. A sender may cut it into pieces of one byte, of which each would take
 * hundreds in memory; the budget knows the bytes of bodies only, so nothing else may grow with them.
 */
function createPieces() {
  const whole: Buffer[] = [];
  let block = nothing;
  let [start, end] = [0, 0];
  const closeCopied = () => {
    if (end > start) whole.push(block.subarray(start, end));
    start = end;
  };
  return {
    add(piece: Buffer): void {
      if (piece.length >= shortBytes || (whole.length === 0 && end === 0)) {
        closeCopied();
        whole.push(piece);
        return;
      }
      if (end + piece.length > block.length) {
        closeCopied();
        const doubled = Math.min(Math.max(blockBytes.first, 2 * block.length), blockBytes.max);
        block = Buffer.allocUnsafeSlow(Math.max(doubled, piece.length));
        [start, end] = [0, 0];
      }
      end += piece.copy(block, end);
    },
    drop(): void {
      whole.length = 0;
      block = nothing;
      [start, end] = [0, 0];
    },
    join(): Buffer {
      closeCopied();
      const [only] = whole;
      return whole.length === 1 && only !== undefined ? only : Buffer.concat(whole);
    },
  };
}

function tooLarge(): Fault {
  return new Fault('too_large', 'The body is larger than its provider ever sends');
}

function gone(): Fault {
  return new Fault('invalid_input', 'The request ended before its body did');
}
