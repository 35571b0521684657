import { open, unlink } from 'node:fs/promises';
import { createConnection, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { Fault } from '@pilotfish/kernel';
import type { Logger } from '@pilotfish/runtime';
import { z } from 'zod';

const Ring = z.object({ pushId: z.uuid() });

export interface HookSocketDeps {
  readonly serverFolder: string;
  readonly logger: Logger;
  /** Writes to the pusher until it returns; the signal aborts when the hook has gone. */
  readonly onPush: (
    pushId: string,
    print: (line: string) => void,
    signal: AbortSignal,
  ) => Promise<void>;
}

export interface HookSocket {
  close(): Promise<void>;
}

const ringBytesMax = 1000;
const farewell = 'The git-server is restarting; the deployment goes on.';

/**
 * Where hooks ring. Listens by way of a file descriptor of the folder, because a unix socket's path
 * has room for 107 bytes only. A socket that somebody answers at belongs to another git-server of
 * the same folder: then this one does not start.
 */
export async function openHookSocket(deps: HookSocketDeps): Promise<HookSocket> {
  const folder = await open(deps.serverFolder, 'r');
  const path = `/proc/self/fd/${folder.fd}/hook.sock`;
  try {
    if (await answers(path)) {
      throw new Fault('conflict', 'Another git-server already uses this data folder.', {
        internal: deps.serverFolder,
      });
    }
    await unlink(join(deps.serverFolder, 'hook.sock')).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error;
    });
    const sockets = new Set<Socket>();
    const server = createServer((socket) => {
      sockets.add(socket);
      socket.on('close', () => sockets.delete(socket));
      answerHook(deps, socket);
    });
    await new Promise<void>((resolve, reject) => {
      server.on('error', reject);
      server.listen(path, resolve);
    });
    return {
      async close() {
        const closed = new Promise((resolve) => server.close(resolve));
        // The hook prints what it has got and ends; its push was spooled before it rang.
        for (const socket of sockets) socket.end(`${farewell}\n`);
        await closed;
        await folder.close();
      },
    };
  } catch (error) {
    await folder.close();
    throw error;
  }
}

function answerHook({ onPush, logger }: HookSocketDeps, socket: Socket): void {
  const gone = new AbortController();
  socket.on('error', () => {}); // A hook that went away; `close` follows.
  socket.on('close', () => gone.abort(new Error('the pusher went away')));
  let text = '';
  const onData = (chunk: Buffer) => {
    text += chunk.toString('utf8');
    const end = text.indexOf('\n');
    if (end === -1) {
      if (text.length > ringBytesMax) socket.destroy();
      return;
    }
    socket.off('data', onData).resume();
    const ring = Ring.safeParse(parseJson(text.slice(0, end)));
    if (!ring.success) {
      socket.destroy();
      return;
    }
    const print = (line: string) => {
      if (socket.writable) socket.write(`${line}\n`);
    };
    onPush(ring.data.pushId, print, gone.signal)
      .catch((error: unknown) => {
        if (!gone.signal.aborted) logger.warn({ err: error }, 'following a push ended early');
      })
      .finally(() => socket.end());
  };
  socket.on('data', onData);
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection(path);
    socket.on('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
