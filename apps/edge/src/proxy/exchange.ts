/**
 * One try to have one instance answer one request.
 *
 * On node:http and not on a proxy library. httpxy 0.5 was measured beside it and is as fast (10 to
 * 17 thousand requests a second on two busy cores, 4 to 5 thousand with chunked bodies), but it
 * passes on the headers of a connection, so that a client decides whether ours to the application
 * lives, believes anybody's X-Forwarded-*, and cannot tell what was not sent from what was not
 * answered, which is what decides whether a request may be sent again.
 */
import { request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { RouteTarget } from '@pilotfish/contracts';
import { type ClientFacts, withForwarded, without, withoutHopByHop } from './headers.ts';
import type { RequestFacts } from './request-facts.ts';
import type { Upstreams } from './upstreams.ts';

export interface ProxyLimits {
  /** Until the instance accepts the connection. */
  readonly connectMsMax: number;
  /** Silence before the answer begins. */
  readonly responseMsMax: number;
  /** Silence within the answer. */
  readonly idleMsMax: number;
}

/**
 * - `answered`: the answer began; it may have been broken off later, then the client's connection
 *   was too;
 * - `not_sent`: the instance saw nothing of it, another try is safe;
 * - `broken`, `too_slow`: the instance took it and did not answer;
 * - `client_left`: nobody is there to be answered.
 */
export type ExchangeOutcome = 'answered' | 'not_sent' | 'broken' | 'too_slow' | 'client_left';

export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly facts: Extract<RequestFacts, { ok: true }>;
  readonly client: ClientFacts;
  readonly target: RouteTarget;
}

export interface ExchangeDeps {
  readonly upstreams: Upstreams;
  readonly limits: ProxyLimits;
}

/** Resolves when the answer has ended, or when it is clear that there will be none. */
export function exchange(deps: ExchangeDeps, call: Exchange): Promise<ExchangeOutcome> {
  const { request, response, facts, client, target } = call;
  const { limits, upstreams } = deps;
  return new Promise((resolve) => {
    const upstream = httpRequest({
      ...addressOf(target),
      method: facts.method,
      path: facts.path,
      headers: requestHeaders(request, facts, client),
      setHost: false,
      // Reusing a connection that the instance is closing right now fails. What can be sent again
      // is; all else gets a connection of its own, which on loopback costs 0.1 ms.
      agent: facts.repeatable ? upstreams.agent(target.instanceId) : false,
    });
    let connected = false;
    let outcome: ExchangeOutcome | null = null;
    const end = (how: ExchangeOutcome) => {
      if (outcome !== null) return;
      outcome = how;
      response.off('close', onClientClose);
      resolve(how);
    };
    const onClientClose = () => {
      upstream.destroy();
      end(response.headersSent ? 'answered' : 'client_left');
    };
    response.once('close', onClientClose);
    upstream.on('socket', (socket: Socket) => {
      const begin = () => {
        connected = true;
        upstream.setTimeout(limits.responseMsMax);
        if (facts.hasBody) request.pipe(upstream);
      };
      if (!socket.connecting) return begin();
      upstream.setTimeout(limits.connectMsMax);
      socket.once('connect', begin);
    });
    upstream.on('timeout', () => upstream.destroy(new UpstreamTimeout()));
    upstream.on('error', (error) => {
      request.unpipe(upstream);
      if (response.headersSent) return;
      const tooSlow = connected && error instanceof UpstreamTimeout;
      if (tooSlow) return end('too_slow');
      end(!connected || (upstream.reusedSocket && facts.repeatable) ? 'not_sent' : 'broken');
    });
    upstream.on('response', (answer) => {
      upstream.setTimeout(limits.idleMsMax);
      relay(answer, response);
    });
    if (!facts.hasBody) upstream.end();
  });
}

/** Writes what the instance answers to the client. A broken answer breaks the client's connection. */
function relay(answer: IncomingMessage, response: ServerResponse): void {
  answer.on('error', () => response.destroy());
  answer.on('close', () => {
    // Ending it in good order would pass half an answer off as a whole one.
    if (!answer.complete) response.destroy();
  });
  const headers = withoutHopByHop(answer.rawHeaders);
  try {
    response.writeHead(answer.statusCode ?? 502, answer.statusMessage ?? '', headers);
  } catch {
    // A header that may be received but not sent, such as a control character in a value.
    response.destroy();
    answer.destroy();
    return;
  }
  // Now, not with the first byte of the body: an event stream may be silent for long.
  response.flushHeaders();
  answer.pipe(response);
}

/** Where an instance listens. */
export function addressOf({
  port,
  socketPath,
}: RouteTarget): { host: string; port: number } | { socketPath: string } {
  return socketPath === undefined ? { host: '127.0.0.1', port } : { socketPath };
}

function requestHeaders(
  request: IncomingMessage,
  facts: Extract<RequestFacts, { ok: true }>,
  client: ClientFacts,
): string[] {
  // We have answered `Expect: 100-continue` ourselves.
  const headers = without(withForwarded(withoutHopByHop(request.rawHeaders), client), 'expect');
  if (request.headers['content-length'] === undefined) {
    if (facts.hasBody) headers.push('Transfer-Encoding', 'chunked');
    else if (!bodilessMethods.has(facts.method)) headers.push('Content-Length', '0');
  }
  // A server that is to close the connection does so right behind an answer which it gives before
  // it has read the body, and the reset takes the answer along. We close it ourselves.
  if (!facts.repeatable) headers.push('Connection', 'keep-alive');
  return headers;
}

/** For any other method a server waits for a body unless it is told that there is none. */
const bodilessMethods = new Set(['GET', 'HEAD', 'OPTIONS', 'DELETE', 'TRACE']);

class UpstreamTimeout extends Error {
  constructor() {
    super('the application is silent for too long');
    this.name = 'UpstreamTimeout';
  }
}
