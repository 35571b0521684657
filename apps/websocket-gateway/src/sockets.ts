/**
 * The websockets of this service. Each path declares its permission and its query; what is common
 * (upgrade, authentication, tenant, keepalive, limits, refusals) is here.
 */
import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { type Permission, permissions, socketClose } from '@pilotfish/contracts';
import { type Clock, Fault, faultTable, type OrganizationId, toFault } from '@pilotfish/kernel';
import type { Logger } from '@pilotfish/runtime';
import type { TenantContext } from '@pilotfish/store';
import { type WebSocket, WebSocketServer } from 'ws';
import type { z } from 'zod';
import { type Authorize, tokenOf } from './authenticate.ts';
import { type Client, createClient } from './client.ts';

/** One websocket of the API. */
export interface SocketDefinition<Query extends { readonly organization: OrganizationId }> {
  readonly path: `/${string}`;
  /** Checked when it opens and now and then while it is open. */
  readonly permission: Permission;
  /** Parameters of the address; unknown ones are ignored, because clients send more than they need. */
  readonly query: z.ZodType<Query>;
  /** Serves until it returns, throws a Fault, or the client is gone. */
  readonly serve: (client: Client, query: Query, tenant: TenantContext) => Promise<void>;
}

/** A definition whose query type is nobody else's business. */
export type AnySocket = {
  readonly path: `/${string}`;
  readonly permission: Permission;
  readonly open: (
    client: Client,
    parameters: URLSearchParams,
    authorize: (organizationId: OrganizationId) => Promise<TenantContext>,
  ) => Promise<{ readonly organizationId: OrganizationId; readonly serve: () => Promise<void> }>;
};

/** Throws a TypeError for a socket without a permission, so that the service does not start. */
export function socket<Query extends { readonly organization: OrganizationId }>(
  definition: SocketDefinition<Query>,
): AnySocket {
  const { path, permission } = definition;
  if (!permissions.includes(permission)) throw new TypeError(`${path} declares no permission`);
  return {
    path,
    permission,
    async open(client, parameters, authorize) {
      const present = [...parameters].filter(([, value]) => value !== '');
      const query = definition.query.safeParse(Object.fromEntries(present));
      if (!query.success) {
        const [issue] = query.error.issues;
        const where = issue?.path.join('.') ?? '';
        throw new Fault('invalid_input', `Parameter ${where}: ${issue?.message ?? 'is not valid'}`);
      }
      const { organization } = query.data;
      const tenant = await authorize(organization);
      return {
        organizationId: organization,
        serve: () => definition.serve(client, query.data, tenant),
      };
    },
  };
}

export interface SocketsDeps {
  readonly sockets: readonly AnySocket[];
  readonly authorize: Authorize;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly clientsMax: number;
  readonly queueBytesMax: number;
  readonly stallMsMax: number;
  /** Between two pings; a client that answers none of them in time is dropped. */
  readonly pingMs: number;
  readonly onCut: () => void;
}

export interface Sockets {
  count(): number;
  /** What waits in this process for all clients together. */
  queuedBytes(): number;
  /** Tells every client to come back elsewhere, and waits until they have gone or 3 s. */
  drain(): Promise<void>;
}

/** Clients have nothing to say. */
const incomingBytesMax = 1024;
const reauthorizeEveryPings = 3;

/** Answers upgrade requests of `server` from now on. */
export function serveSockets(server: Server, deps: SocketsDeps): Sockets {
  const byPath = new Map(deps.sockets.map((one) => [one.path as string, one]));
  const acceptor = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: incomingBytesMax,
    handleProtocols: (offered) => (offered.has('v1') ? 'v1' : false),
  });
  const open = new Map<Client, Promise<void>>();
  let draining = false;

  server.on('upgrade', (request: IncomingMessage, stream: Duplex, head: Buffer) => {
    stream.on('error', () => {}); // Told by the websocket once there is one.
    const url = URL.parse(request.url ?? '/', 'http://gateway');
    const definition = url && byPath.get(url.pathname.replace(/\/+$/, ''));
    if (!url || !definition) {
      refuse(stream, '404 Not Found');
      return;
    }
    if (draining || open.size >= deps.clientsMax) {
      refuse(stream, '503 Service Unavailable\r\nRetry-After: 2');
      return;
    }
    acceptor.handleUpgrade(request, stream, head, (webSocket) => {
      const client = createClient(webSocket, request.socket, deps);
      // Until then it takes a place and its frames take memory, though nobody serves it any more.
      const gone = new Promise((resolve) => webSocket.once('close', resolve));
      const ended = serveClient(deps, definition, { client, webSocket, request, url })
        .then(() => gone)
        .then(() => void open.delete(client));
      open.set(client, ended);
    });
  });

  return {
    count: () => open.size,
    queuedBytes: () => open.keys().reduce((sum, client) => sum + client.queuedBytes(), 0),
    async drain() {
      draining = true;
      for (const client of open.keys()) {
        client.close(socketClose.goingAway, 'restarting: connect again with your last cursor');
      }
      const stop = new AbortController();
      await Promise.race([
        Promise.all(open.values()),
        deps.clock.sleep(3000, stop.signal).catch(() => {}),
      ]);
      stop.abort();
    },
  };
}

interface Connected {
  readonly client: Client;
  readonly webSocket: WebSocket;
  readonly request: IncomingMessage;
  readonly url: URL;
}

async function serveClient(
  deps: SocketsDeps,
  definition: AnySocket,
  { client, webSocket, request, url }: Connected,
): Promise<void> {
  const token = tokenOf(request.headers);
  const authorize = (organizationId: OrganizationId) =>
    deps.authorize(token, organizationId, definition.permission);
  try {
    const { organizationId, serve } = await definition.open(client, url.searchParams, authorize);
    const watch = keepAlive(deps, client, webSocket, () => authorize(organizationId));
    try {
      await serve();
    } finally {
      watch.abort();
    }
    client.close(1000, 'the end');
  } catch (error) {
    if (client.signal.aborted) return;
    const fault = toFault(error);
    const context = { err: fault, path: definition.path };
    if (fault.code === 'internal') deps.logger.error(context, 'a socket failed on our side');
    else deps.logger.debug(context, 'a socket was refused');
    client.close(closeCodeOf(fault), fault.detail);
  }
}

/** Pings; and asks again whether the client may still listen, because tokens are revoked. */
function keepAlive(
  deps: SocketsDeps,
  client: Client,
  webSocket: WebSocket,
  authorize: () => Promise<unknown>,
): AbortController {
  const stop = new AbortController();
  let alive = true;
  webSocket.on('pong', () => {
    alive = true;
  });
  const live = async () => {
    const signal = AbortSignal.any([stop.signal, client.signal]);
    for (let pings = 1; ; pings++) {
      await deps.clock.sleep(deps.pingMs, signal);
      if (!alive) {
        webSocket.terminate();
        return;
      }
      alive = false;
      webSocket.ping();
      if (pings % reauthorizeEveryPings !== 0) continue;
      try {
        await authorize();
      } catch (error) {
        const fault = toFault(error);
        // A database that is away for a moment takes nobody's rights.
        if (!fault.retryable) client.close(closeCodeOf(fault), fault.detail);
      }
    }
  };
  live().catch(() => {}); // Ends by its signals only.
  return stop;
}

function closeCodeOf(fault: Fault): number {
  if (fault.code === 'invalid_input') return socketClose.badRequest;
  if (fault.status < 500) return socketClose.refused;
  return faultTable[fault.code].retry === 'later' ? socketClose.tryAgain : socketClose.internal;
}

function refuse(stream: Duplex, status: string): void {
  stream.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
}
