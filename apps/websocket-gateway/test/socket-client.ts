import { systemClock } from '@pilotfish/kernel';
import { onTestFinished } from 'vitest';
import { type ClientOptions, WebSocket } from 'ws';

export interface TestClient {
  readonly socket: WebSocket;
  /** Parsed text frames, in order. */
  readonly frames: unknown[];
  readonly closed: Promise<{ readonly code: number; readonly reason: string }>;
  /** Breaks the connection without a word. */
  drop(): Promise<void>;
}

interface ConnectOptions extends ClientOptions {
  readonly token?: string;
  readonly protocols?: string[];
}

export function connect(
  url: string,
  path: string,
  query: Record<string, string>,
  { token, protocols = [], ...options }: ConnectOptions = {},
): TestClient {
  const headers = token === undefined ? {} : { authorization: `Token ${token}` };
  const address = `${url}${path}?${new URLSearchParams(query)}`;
  const socket = new WebSocket(address, protocols, { headers, ...options });
  const frames: unknown[] = [];
  socket.on('message', (data) => frames.push(JSON.parse(String(data))));
  socket.on('error', () => {});
  // Not by `once`, which would reject on an error that the test expects.
  const closed = new Promise<{ code: number; reason: string }>((resolve) => {
    socket.on('close', (code, reason) => resolve({ code, reason: String(reason) }));
  });
  onTestFinished(() => socket.terminate());
  return {
    socket,
    frames,
    closed,
    async drop() {
      socket.terminate();
      await closed;
    },
  };
}

/** Polls, because what is waited for happens in other processes. */
export async function waitUntil(
  condition: () => boolean | Promise<boolean>,
  ms = 15_000,
): Promise<void> {
  const endMs = performance.now() + ms;
  while (!(await condition())) {
    if (performance.now() > endMs) throw new Error(`not so after ${ms} ms: ${condition}`);
    await systemClock.sleep(10);
  }
}
