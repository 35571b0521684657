import { createHash } from 'node:crypto';
import { until } from '@pilotfish/testing/real-process';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type App, EdgeHarness, raw, routeTo, startApp } from './harness.ts';

const host = 'chat-0a1b.localhost';
let edge: EdgeHarness;
const apps: App[] = [];

beforeEach(async () => {
  edge = new EdgeHarness();
  await edge.start();
});

afterEach(async () => {
  await edge.end();
  await Promise.all(apps.splice(0).map((app) => app.close()));
});

/** Shakes hands as RFC 6455 says, then sends back each byte behind its label. */
async function echoApp(label: string): Promise<App> {
  const app = await startApp(label, (_, response) => response.end(label));
  app.server.on('upgrade', (request, socket, head) => {
    const key = `${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`;
    const accept = createHash('sha1').update(key).digest('base64');
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
        `Sec-WebSocket-Accept: ${accept}\r\n\r\n${label}:`,
    );
    socket.write(head);
    socket.on('data', (chunk) => socket.write(chunk));
    socket.on('error', () => socket.destroy());
    socket.on('end', () => socket.end());
    apps.push({ ...app, close: async () => void socket.destroy() });
  });
  apps.push(app);
  return app;
}

const handshake =
  `GET /socket HTTP/1.1\r\nHost: ${host}\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n` +
  'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n';

test('a websocket lives through a flip while new ones go to the new version', async () => {
  const [blue, green] = [await echoApp('blue'), await echoApp('green')];
  await edge.flip([routeTo(host, blue)]);
  const first = raw(edge.port, `${handshake}early `);
  await until('it is open', () => first.text.endsWith('blue:early '));
  expect(first.text).toContain('Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=');
  expect(await edge.inflight('blue')).toMatchObject({ requests: 0, upgrades: 1 });
  await edge.flip([routeTo(host, green)]);
  const second = raw(edge.port, handshake);
  await until('it is open', () => second.text.endsWith('green:'));
  first.socket.write('still');
  await until('the old one answers', () => first.text.endsWith('early still'));
  expect((await edge.get(host)).body).toBe('green');
  first.socket.end();
  await first.closed;
  await edge.drained('blue');
  second.socket.destroy();
  await edge.drained('green');
});

test('a client that vanishes takes its connection to the application with it', async () => {
  const blue = await echoApp('blue');
  await edge.flip([routeTo(host, blue)]);
  const socket = raw(edge.port, handshake);
  await until('it is open', () => socket.text.endsWith('blue:'));
  socket.socket.resetAndDestroy();
  await edge.drained('blue');
});

test('an application that wants no websocket answers as usual', async () => {
  const plain = await startApp('plain', (request, response) => {
    response.writeHead(426, { 'x-path': request.url });
    response.end('no sockets here');
  });
  apps.push(plain);
  await edge.flip([routeTo(host, plain)]);
  const answer = raw(edge.port, handshake);
  await answer.closed;
  expect(answer.text).toMatch(/^HTTP\/1\.1 426 /);
  expect(answer.text).toContain('x-path: /socket');
  expect(answer.text).toContain('no sockets here');
  await edge.drained('plain');
});

test('a websocket to a host that does not serve gets the page', async () => {
  await edge.flip([{ ...routeTo(host), state: 'stopped', message: 'At night.' }]);
  const answer = raw(edge.port, handshake);
  await answer.closed;
  expect(answer.text).toMatch(/^HTTP\/1\.1 503 /);
  expect(answer.text).toContain('At night.');
});

test('an offer to speak another protocol is passed over, and the request answered', async () => {
  const blue = await echoApp('blue');
  await edge.flip([routeTo(host, blue)]);
  const { body } = await edge.get(host, '/', { connection: 'Upgrade', upgrade: 'h2c' });
  expect(body).toBe('blue');
});
