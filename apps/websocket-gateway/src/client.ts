import type { Socket } from 'node:net';
import { socketClose } from '@pilotfish/contracts';
import { type Clock, Fault } from '@pilotfish/kernel';
import type { WebSocket } from 'ws';

/** One connected client, as a socket's handler sees it. */
export interface Client {
  /** Aborts when the client is gone or was cut off. */
  readonly signal: AbortSignal;
  /**
   * Queues one text frame and resolves when there is room for another; rejects when the client is
   * gone. A client that takes nothing for too long is cut off, with a code that says to come back.
   */
  send(text: string): Promise<void>;
  /** Ends the connection; `reason` is shown to people, at most 120 bytes. */
  close(code: number, reason: string): void;
  /** What waits in this process for the client: `queueBytesMax` and one frame at most. */
  queuedBytes(): number;
}

export interface ClientOptions {
  /** What may wait in this process for one client. */
  readonly queueBytesMax: number;
  /** How long a full queue may stay full. */
  readonly stallMsMax: number;
  readonly clock: Clock;
  readonly onCut: () => void;
}

/**
 * How long a client may take nothing and say nothing after a close before its connection is
 * dropped. One that goes on taking what was queued before the close gets as far as the close, within
 * the 30 seconds that `ws` waits at most.
 */
const closeIdleMsMax = 3000;

/** @param tcp what `socket` speaks through: it alone knows of bytes that are taken one by one */
export function createClient(
  socket: WebSocket,
  tcp: Pick<Socket, 'setTimeout'>,
  options: ClientOptions,
): Client {
  const { clock, queueBytesMax } = options;
  const gone = new AbortController();
  let queued = 0;
  let room = Promise.withResolvers<void>();
  let closing = false;

  socket.on('error', () => {}); // Always followed by `close`.
  socket.on('close', () => {
    gone.abort(new Fault('unavailable', 'The client went away.'));
    room.resolve();
  });

  function close(code: number, reason: string): void {
    if (closing || gone.signal.aborted) return;
    closing = true;
    socket.close(code, Buffer.from(reason).subarray(0, 120).toString('utf8'));
    // Handlers stop at once; the frames before the close may still be taken by the client.
    tcp.setTimeout(closeIdleMsMax, () => socket.terminate());
    gone.abort(new Fault('unavailable', 'The connection is being closed.'));
    room.resolve();
  }

  async function waitForRoom(): Promise<void> {
    const stop = new AbortController();
    const stalled = clock.sleep(options.stallMsMax, AbortSignal.any([gone.signal, stop.signal]));
    const late = stalled.then(
      () => true,
      () => false,
    );
    while (queued > queueBytesMax && !gone.signal.aborted) {
      room = Promise.withResolvers();
      const outcome = await Promise.race([room.promise.then(() => false), late]);
      if (!outcome) continue;
      options.onCut();
      close(socketClose.tryAgain, 'too slow: connect again with after=<your last cursor>');
    }
    stop.abort();
  }

  return {
    signal: gone.signal,
    close,
    queuedBytes: () => queued,
    async send(text) {
      gone.signal.throwIfAborted();
      const bytes = Buffer.byteLength(text);
      queued += bytes;
      socket.send(text, () => {
        queued -= bytes;
        if (queued <= queueBytesMax) room.resolve();
      });
      if (queued > queueBytesMax) await waitForRoom();
      gone.signal.throwIfAborted();
    },
  };
}
