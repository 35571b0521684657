import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { systemClock } from '@pilotfish/kernel';
import type { HttpServer } from './http-server.ts';

/** Where a service is reached. */
export interface Address {
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
  /**
   * Where several copies of a service run on one machine: the port of this copy alone, for probes,
   * for metrics and for a load balancer. `port` is then shared by all copies (SO_REUSEPORT): the
   * kernel spreads connections over those that live, so none takes the address along when it dies.
   */
  readonly replicaPort?: number | undefined;
}

/** How often connections that have become idle are looked for while the server closes. */
const closeLookMs = 50;

/** Takes requests from here on. @throws where a port is taken */
export async function listen(app: HttpServer, address: Address): Promise<void> {
  const { host, port, replicaPort } = address;
  if (replicaPort === undefined) {
    await app.listen({ host, port });
    return;
  }
  // One HTTP server with a second door: what comes in there is the same in every other respect.
  const own = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    app.server.emit('connection', socket);
  });
  app.addHook('onClose', () => closeDoor(own, app));
  const shared = { host, port, reusePort: true };
  await app.listen(shared);
  own.listen({ host, port: replicaPort });
  await once(own, 'listening');
}

/** The HTTP server closes its own connections only; those of this door end with their requests. */
async function closeDoor(own: Server, app: HttpServer): Promise<void> {
  if (!own.listening) return;
  const looking = new AbortController();
  const closed = once(own, 'close').then(() => looking.abort());
  own.close();
  while (!looking.signal.aborted) {
    app.server.closeIdleConnections();
    await systemClock.sleep(closeLookMs, looking.signal).catch(() => undefined);
  }
  await closed;
}
