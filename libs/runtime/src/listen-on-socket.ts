import { mkdirSync, rmSync } from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import { connect } from 'node:net';
import { dirname } from 'node:path';
import { Fault } from '@pilotfish/kernel';

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
  const server = createServer(handle);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    // The mode of the file is that of its first moment: nobody can slip in before a chmod.
    const mask = process.umask(0o177);
    try {
      server.listen(path, () => {
        server.off('error', reject);
        resolve();
      });
    } finally {
      process.umask(mask);
    }
  });
  return server;
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
