import { createServer } from 'node:http';
import type { Duplex } from 'node:stream';
import { Fault } from '@pilotfish/kernel';
import type { Config } from '../config.ts';
import { type ForwardDeps, forward } from './forward.ts';
import { isWebSocket, upgrade } from './upgrade.ts';

/** The server that clients of applications talk to. */
export interface ProxyServer {
  /** Returns the port. @throws Fault `conflict` when it is taken */
  listen(port: number, host: string): Promise<number>;
  /** Takes no more connections, waits for open requests, cuts websockets. */
  close(): Promise<void>;
}

export interface ProxyServerOptions {
  readonly config: Config;
  readonly logger: { error(fields: object, sentence: string): void };
}

export function createProxyServer(
  deps: ForwardDeps,
  { config, logger }: ProxyServerOptions,
): ProxyServer {
  const server = createServer(
    {
      maxHeaderSize: config.EDGE_HEADER_KIBIBYTES_MAX * 1024,
      headersTimeout: config.EDGE_HEADER_SECONDS_MAX * 1000,
      requestTimeout: config.EDGE_REQUEST_SECONDS_MAX * 1000,
      // Longer than a browser keeps one: who closes first cannot meet a request on its way.
      keepAliveTimeout: 75_000,
      connectionsCheckingInterval: 2000,
      // Strict reading, whatever the flags of this process say: leniency is what smuggling needs.
      insecureHTTPParser: false,
      requireHostHeader: true,
      noDelay: true,
      shouldUpgradeCallback: isWebSocket,
    },
    (request, response) => {
      response.once('finish', () => {
        const key = `${Math.floor(response.statusCode / 100)}xx`;
        deps.counters.answers[key] = (deps.counters.answers[key] ?? 0) + 1;
      });
      forward(deps, request, response).catch((error) => {
        logger.error({ err: error }, 'a request could not be forwarded');
        response.destroy();
      });
    },
  );
  server.maxConnections = config.EDGE_CONNECTIONS_MAX;
  const upgraded = new Set<Duplex>();
  server.on('upgrade', (request, socket, head) => {
    upgraded.add(socket);
    socket.once('close', () => upgraded.delete(socket));
    upgrade(deps, request, socket, head).catch((error) => {
      logger.error({ err: error }, 'a websocket could not be forwarded');
      socket.destroy();
    });
  });
  return {
    listen(port, host) {
      return new Promise((resolve, reject) => {
        server.once('error', (error) => reject(listenFault(error, port)));
        server.listen(port, host, () => {
          const address = server.address();
          resolve(typeof address === 'object' && address !== null ? address.port : port);
        });
      });
    },
    close() {
      return new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of upgraded) socket.destroy();
      });
    },
  };
}

function listenFault(error: Error & { code?: string }, port: number): Fault {
  if (error.code === 'EADDRINUSE') {
    return new Fault('conflict', `Port ${port} is taken by another program.`, { cause: error });
  }
  if (error.code === 'EACCES') {
    return new Fault('forbidden', `This user may not listen on port ${port}.`, { cause: error });
  }
  return new Fault('unavailable', `Listening on port ${port} failed: ${error.message}.`, {
    cause: error,
  });
}
