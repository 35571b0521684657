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
    const chunks: Buffer[] = [];
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
        chunks.push(chunk);
      } catch (error) {
        chunks.length = 0;
        fail(error);
      }
    });
    request.on('end', () => {
      if (isOver) return;
      isOver = true;
      resolve({
        body: chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks, bytes),
        reservation,
      });
    });
    // Comes after each request; where its body did not end before, its sender has gone.
    request.on('close', () => {
      if (!isOver) fail(gone());
    });
    request.on('error', () => fail(gone()));
  });
}

function tooLarge(): Fault {
  return new Fault('too_large', 'The body is larger than its provider ever sends');
}

function gone(): Fault {
  return new Fault('invalid_input', 'The request ended before its body did');
}
