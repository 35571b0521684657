import { createServer, type Server } from 'node:net';
import { Fault } from '@pilotfish/kernel';

function listen(port: number): Promise<Server | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(undefined));
    server.listen({ port, host: '127.0.0.1' }, () => resolve(server));
  });
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()));
}

/** True when a server could listen on the loopback port at this moment. */
export async function isPortFree(port: number): Promise<boolean> {
  const server = await listen(port);
  if (server === undefined) return false;
  await close(server);
  return true;
}

/** @param cause what the server said when it could not listen */
export function takenPort(server: string, port: number, cause?: unknown): Fault {
  const detail = `Port ${port} of ${server} is taken by another program: end that one, or choose other ports by PILOTFISH_PORT_BASE.`;
  return new Fault('conflict', detail, { cause });
}

/**
 * Different loopback ports that nobody listens on. They are held until all are found, so the same
 * one is never answered twice; another process may still take one before it is used.
 */
export async function findFreePorts(count: number): Promise<number[]> {
  const servers: Server[] = [];
  while (servers.length < count) {
    const server = await listen(0);
    if (server !== undefined) servers.push(server);
  }
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map(close));
  return ports;
}
