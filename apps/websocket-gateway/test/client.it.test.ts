import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { socketClose } from '@pilotfish/contracts';
import { systemClock } from '@pilotfish/kernel';
import { expect, onTestFinished, test } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { createClient } from '../src/client.ts';

const mebibyte = 1024 * 1024;

test('a client that goes on reading slowly gets all that was sent before, and then the close', async () => {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: false });
  onTestFinished(() => {
    server.close();
  });
  await once(server, 'listening');
  const reader = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`);
  onTestFinished(() => reader.terminate());
  reader.on('open', () => reader.pause());
  const [socket, request] = await once(server, 'connection');
  let cuts = 0;
  // Much more than the kernel takes, which is at most some 10 MB here.
  const client = createClient(socket, request.socket, {
    queueBytesMax: 24 * mebibyte,
    stallMsMax: 100,
    clock: systemClock,
    onCut: () => cuts++,
  });
  let sent = 0;
  const text = 'x'.repeat(mebibyte);
  const sendAll = async () => {
    for (;;) {
      sent++;
      await client.send(text);
    }
  };
  await expect(sendAll()).rejects.toThrow('being closed');
  expect(cuts).toBe(1);
  // Four a second: altogether longer than a client may take nothing at all.
  let received = 0;
  reader.on('message', () => {
    received++;
    reader.pause();
    void systemClock.sleep(250).then(() => reader.resume());
  });
  const closed = once(reader, 'close');
  reader.resume();
  const [code] = await closed;
  expect(code).toBe(socketClose.tryAgain);
  expect(received).toBe(sent);
});
