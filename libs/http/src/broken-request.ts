import { STATUS_CODES } from 'node:http';
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

function brokenFault(code: string | undefined): Fault {
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') {
    return new Fault('too_slow', 'The request did not arrive in time.');
  }
  return code === 'HPE_HEADER_OVERFLOW'
    ? new Fault('too_large', 'The headers are larger than 16 KiB together.')
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
