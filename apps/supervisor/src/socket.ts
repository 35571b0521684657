import { mkdirSync, rmSync } from 'node:fs';
import { createServer as createHttpServer, type RequestListener, type Server } from 'node:http';
import { connect, createServer, type Server as NetServer } from 'node:net';
import { dirname } from 'node:path';
import { Fault } from '@pilotfish/kernel';
import { errnoOf } from './system-fault.ts';

/** sun_path of unix(7), without its final NUL. */
const socketPathBytesMax = 107;

/**
 * Serves HTTP on a unix socket that only this user may open. A socket file that a killed process
 * left behind is replaced.
 *
 * @throws Fault `conflict` when another process answers there, `invalid_input` for a path that is
 *   too long
 */
export async function listenOnSocket(path: string, handle: RequestListener): Promise<Server> {
  if (Buffer.byteLength(path) > socketPathBytesMax) {
    throw new Fault(
      'invalid_input',
      `The socket path ${path} is longer than ${socketPathBytesMax} bytes.`,
    );
  }
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  if (await answers(path)) throw new Fault('conflict', `Another process listens on ${path}.`);
  rmSync(path, { force: true });
  const server = createHttpServer(handle);
  // The mode of the file is that of its first moment: nobody can slip in before a chmod.
  const mask = process.umask(0o177);
  try {
    server.listen(path);
  } finally {
    process.umask(mask);
  }
  await listening(server);
  return server;
}

/**
 * A lock that the kernel gives back when its holder dies, however that happens.
 *
 * @throws Fault `conflict` while another process holds it
 */
export async function takeLock(name: string): Promise<NetServer> {
  // An abstract socket: it has no file that could be left over.
  const server = createServer((socket) => socket.destroy());
  server.listen(`\0pilotfish-${name}`);
  try {
    await listening(server);
  } catch (error) {
    if (errnoOf(error) !== 'EADDRINUSE') throw error;
    throw new Fault('conflict', 'Another supervisor works on the same state folder.');
  }
  server.unref();
  return server;
}

function listening(server: NetServer): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.once('listening', () => {
      server.off('error', reject);
      resolve();
    });
  });
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
