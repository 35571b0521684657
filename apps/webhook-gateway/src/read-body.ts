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
export async function readBody(request: IncomingMessage, limits: BodyLimits): Promise<ReadBody> {
  const { budget, owner, bytesMax } = limits;
  const announced = Number(request.headers['content-length'] ?? 0);
  if (announced > bytesMax) throw tooLarge();
  if (!budget.hasRoomFor(owner, announced)) {
    throw new Fault('overloaded', 'Too many deliveries at once');
  }
  limits.onAccepted?.();
  const reservation = budget.reserve(owner);
  try {
    return { body: await collect(request, bytesMax, reservation), reservation };
  } catch (error) {
    reservation.release();
    throw error;
  }
}

function collect(
  request: IncomingMessage,
  bytesMax: number,
  reservation: Reservation,
): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const chunks: Buffer[] = [];
  let bytes = 0;
  const onData = (chunk: Buffer) => {
    try {
      bytes += chunk.length;
      if (bytes > bytesMax) throw tooLarge();
      reservation.grow(chunk.length);
      chunks.push(chunk);
    } catch (error) {
      finish();
      reject(error);
    }
  };
  const onEnd = () => {
    finish();
    resolve(chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks, bytes));
  };
  const onGone = () => {
    finish();
    reject(new Fault('invalid_input', 'The request ended before its body did'));
  };
  const finish = () => {
    request.off('data', onData);
    request.off('end', onEnd);
    request.off('error', onGone);
    request.off('close', onGone);
    // Keeps errors of a refused request from ending the process; the server discards its rest.
    request.on('error', () => undefined);
    request.resume();
  };
  // Its sender may have gone while the webhook was looked up: then no event comes any more.
  if (request.destroyed) {
    onGone();
    return promise;
  }
  request.on('data', onData);
  request.on('end', onEnd);
  request.on('error', onGone);
  request.on('close', onGone);
  return promise;
}

function tooLarge(): Fault {
  return new Fault('too_large', 'The body is larger than its provider ever sends');
}
