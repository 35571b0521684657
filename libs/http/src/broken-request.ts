import { type IncomingMessage, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { Fault } from '@pilotfish/kernel';
import { problemOf } from './problem.ts';

/**
 * Answers what Node could not read as a request, and closes the connection: where the next request
 * would begin is not known.
 */
export function answerBrokenRequest(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || socket.destroyed) return;
  if (socket.writable) socket.write(answerFor(brokenFault(error.code)));
  socket.destroy(error);
}

/** What is wrong with the head of a request that Node could read; null where nothing is. */
export function headFault({ headers, httpVersion }: IncomingMessage): Fault | null {
  // Node would refuse it by itself, without a word.
  const lacksHost = headers.host === undefined && httpVersion === '1.1';
  return lacksHost ? new Fault('invalid_input', 'The header Host is missing.') : null;
}

/** For a request with an `Expect` that is none of HTTP/1.1's. */
export function expectationFault(): Fault {
  return new Fault('expectation_failed', 'Of the header Expect only 100-continue is understood.');
}

function brokenFault(code: string | undefined): Fault {
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') {
    return new Fault('too_slow', 'The request did not arrive in time.');
  }
  return code === 'HPE_HEADER_OVERFLOW'
    ? new Fault('headers_too_large', 'The headers are larger than 16 KiB together.')
    : new Fault('invalid_input', 'This is not a request of HTTP/1.1.');
}

function answerFor(fault: Fault): string {
  const body = JSON.stringify(problemOf(fault));
  const head = [
    `HTTP/1.1 ${fault.status} ${STATUS_CODES[fault.status]}`,
    'Connection: close',
    'Content-Type: application/json; charset=utf-8',
    `Content-Length: ${Buffer.byteLength(body)}`,
  ];
  return `${head.join('\r\n')}\r\n\r\n${body}`;
}
