import { createServer, type Server } from 'node:net';
import { Fault } from '@pilotfish/kernel';
import { errnoOf } from './system-fault.ts';

/**
 * A lock that the kernel gives back when its holder dies, however that happens.
 *
 * @throws Fault `conflict` while another process holds it
 */
export async function takeLock(name: string): Promise<Server> {
  // An abstract socket: it has no file that could be left over.
  const server = createServer((socket) => socket.destroy());
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(`\0pilotfish-${name}`, resolve);
    });
  } catch (error) {
    if (errnoOf(error) !== 'EADDRINUSE') throw error;
    throw new Fault('conflict', 'Another supervisor works on the same state folder.');
  }
  server.unref();
  return server;
}
