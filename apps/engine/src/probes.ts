/**
 * Health and metrics on node:http. Not on the Fastify kit: the engine serves nothing else, and the
 * kit with its schema compilers would be 6 of some 50 MB.
 */
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { faultTable, toFault } from '@pilotfish/kernel';
import type { Health, Metrics } from '@pilotfish/runtime';

export interface Probes {
  /** The port that it really listens on. */
  readonly port: number;
  close(): Promise<void>;
}

export interface ProbesDeps {
  readonly health: Health;
  readonly metrics: Metrics;
  readonly host: string;
  readonly port: number;
}

/** @throws where the port is taken */
export async function serveProbes({ health, metrics, host, port }: ProbesDeps): Promise<Probes> {
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://engine');
    // A body is of no use to any probe.
    request.resume();
    answer(pathname, response).catch((error: unknown) => {
      const { status, detail } = toFault(error);
      sendJson(response, status, { status, error: faultTable.internal.title, detail });
    });
  });

  async function answer(pathname: string, response: ServerResponse): Promise<void> {
    if (pathname === '/health/live') {
      sendJson(response, 200, { status: 'live' });
    } else if (pathname === '/health/ready') {
      const { ready, ...missing } = await health.ready();
      const status = ready ? 'ready' : 'not_ready';
      sendJson(response, ready ? 200 : 503, { status, ...missing });
    } else if (pathname === '/metrics') {
      const { contentType, text } = await metrics.render();
      response.writeHead(200, { 'content-type': contentType }).end(text);
    } else {
      sendJson(response, 404, {
        status: 404,
        error: faultTable.not_found.title,
        detail: `There is no ${pathname}`,
      });
    }
  }

  server.listen({ host, port });
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

function sendJson(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}
