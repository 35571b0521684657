/**
 * A route that is answered before the router, for a path on which the router and its hooks would be
 * most of what a request costs. It shares the port, the limits and the problems of all others, and
 * declares who may call it like them.
 */
import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from 'node:http';
import { type Fault, systemClock } from '@pilotfish/kernel';
import { headFault } from './broken-request.ts';
import { problemOf, retryAfterSeconds } from './problem.ts';

export interface RawRoute {
  readonly method: 'POST';
  /** Ends with a slash: what follows it is the one parameter. */
  readonly prefix: `/${string}/`;
  /** Raw routes find out by themselves who calls. */
  readonly permission: { readonly public: string };
  /** Answers the request; never throws. A `100 Continue` is the route's to write. */
  readonly handle: (request: IncomingMessage, response: ServerResponse, parameter: string) => void;
}

/** How long a client may take to send the head of a request. */
const headersMsMax = 10_000;
/** How often clients that take too long are looked for. */
const slowLookMs = 1_000;

/** A server that gives each request to the raw route, or to `others`. */
export function createRawServer(
  route: RawRoute,
  others: RequestListener,
  limits: { readonly requestMsMax: number },
): Server {
  const { requestMsMax } = limits;
  const handle = (request: IncomingMessage, response: ServerResponse, parameter: string) => {
    const fault = headFault(request);
    if (fault === null) route.handle(request, response, parameter);
    else answerFault(request, response, fault);
  };
  const server = createServer(
    {
      requireHostHeader: false,
      requestTimeout: requestMsMax,
      headersTimeout: Math.min(headersMsMax, requestMsMax),
      connectionsCheckingInterval: slowLookMs,
      keepAliveTimeout: 72_000,
    },
    (request, response) => {
      const parameter = parameterOf(route, request);
      if (parameter === null) others(request, response);
      else handle(request, response, parameter);
    },
  );
  server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => {
    const parameter = parameterOf(route, request);
    if (parameter !== null) {
      handle(request, response, parameter);
      return;
    }
    response.writeContinue();
    others(request, response);
  });
  return server;
}

/** Null where the request is for another route. A query and one slash at the end are not looked at. */
function parameterOf({ method, prefix }: RawRoute, request: IncomingMessage): string | null {
  const { url } = request;
  if (request.method !== method || url === undefined || !url.startsWith(prefix)) return null;
  const query = url.indexOf('?');
  const path = query === -1 ? url : url.slice(0, query);
  const end = path.endsWith('/') ? path.length - 1 : path.length;
  const parameter = path.slice(prefix.length, end);
  return parameter === '' || parameter.includes('/') ? null : parameter;
}

/** The rest of a refused request that is read, so that its sender can read the answer meanwhile. */
const restBytesMax = 64 * 1024;
const restMsMax = 2_000;

/**
 * Answers a fault as a problem. Where much of the request is still to come the connection ends:
 * nobody has to take in what is already refused.
 */
export function answerFault(
  request: IncomingMessage,
  response: ServerResponse,
  fault: Fault,
): void {
  if (response.headersSent || response.destroyed) return;
  const body = JSON.stringify(problemOf(fault));
  const headers = [
    'content-type',
    'application/json; charset=utf-8',
    'content-length',
    String(Buffer.byteLength(body)),
  ];
  if (fault.retryable) headers.push('retry-after', String(retryAfterSeconds));
  if (fault.code === 'unauthenticated') headers.push('www-authenticate', 'Token');
  const endsConnection = !request.complete && !isShort(request);
  if (endsConnection) headers.push('connection', 'close');
  if (endsConnection) {
    // Node would close as soon as the answer is written: only our direction ends with it.
    const { socket } = request;
    socket.destroySoon = () => socket.end();
    void lingerAfter(request);
  } else request.resume();
  response.writeHead(fault.status, headers).end(body);
}

/** A body that is on its way already, or nearly. Who asked before sending it may send none. */
function isShort({ headers }: IncomingMessage): boolean {
  const { 'content-length': length, expect } = headers;
  return expect === undefined && length !== undefined && Number(length) <= restBytesMax;
}

/**
 * Keeps the connection for a moment: one that is closed with bytes unread takes the answer along. A
 * little is read on, for who sends all before he looks; who sends more has to stop and look.
 */
async function lingerAfter(request: IncomingMessage): Promise<void> {
  const { socket } = request;
  const over = new AbortController();
  let bytes = 0;
  request.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > restBytesMax) request.pause();
  });
  socket.once('close', () => over.abort());
  await systemClock.sleep(restMsMax, over.signal).catch(() => undefined);
  socket.destroy();
}
