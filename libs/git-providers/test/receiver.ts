import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { onTestFinished } from 'vitest';

export interface Received {
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: string;
}

/** Where hooks are delivered; it can be down, and come back at the same address. */
export interface Receiver {
  readonly url: string;
  readonly received: readonly Received[];
  /** From here on it answers so, and keeps nothing where it is no success. Default 204. */
  answers(status: number): void;
  stop(): Promise<void>;
  start(): Promise<void>;
}

export async function openReceiver(): Promise<Receiver> {
  const received: Received[] = [];
  let status = 204;
  const server = createServer((request, response) => {
    text(request).then(
      (body) => {
        if (status < 300) received.push({ headers: request.headers, body });
        response.writeHead(status).end();
      },
      () => response.destroy(),
    );
  });
  const stop = async () => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  };
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  onTestFinished(async () => {
    if (server.listening) await stop();
  });
  return {
    url: `http://127.0.0.1:${port}/webhook/some-hook`,
    received,
    answers(next) {
      status = next;
    },
    stop,
    async start() {
      server.listen(port, '127.0.0.1');
      await once(server, 'listening');
    },
  };
}
