import { once } from 'node:events';
import { connect as connectTcp } from 'node:net';
import { type EnvironmentLog, socketClose } from '@pilotfish/contracts';
import { systemClock } from '@pilotfish/kernel';
import { createMetrics, type Metrics } from '@pilotfish/runtime';
import { tables } from '@pilotfish/store';
import { beforeEach, describe, expect, test } from 'vitest';
import { connect, type TestClient, waitUntil } from './socket-client.ts';
import { lineEvent, makeWorld, type World } from './world.ts';

let world: World;
beforeEach(async () => {
  world = await makeWorld();
});

function address(change: Record<string, string> = {}): Record<string, string> {
  const { organization, cluster, project, environment } = world.ids;
  return { organization, cluster, project, environment, ...change };
}
/** What a metric without labels of its own says just now. */
async function metricOf(metrics: Metrics, name: string): Promise<number> {
  const { text } = await metrics.render();
  return Number(new RegExp(`^${name}(?:\\{.*\\})? (.+)$`, 'm').exec(text)?.[1]);
}
const linesOf = (client: TestClient) => client.frames.flat() as EnvironmentLog[];

describe('who may listen', () => {
  test('is said by header, or by subprotocol where a browser connects', async () => {
    const { url } = await world.startGateway();
    const execution = await world.addExecution();
    await world.commit(execution, [lineEvent(world.ids, 1)]);
    const { token } = world.ids;
    const byHeader = connect(url, '/deployment/logs', address(), { token });
    const protocols = ['v1', `auth.bearer.${token}`];
    const byProtocol = connect(url, '/deployment/logs', address(), { protocols });
    await waitUntil(() => linesOf(byHeader).length === 1 && linesOf(byProtocol).length === 1);
    expect(byProtocol.socket.protocol).toBe('v1');
    expect(byHeader.socket.protocol).toBe('');
  });

  test('and everybody else is refused for good, in words', async () => {
    const { url } = await world.startGateway();
    const { ids, others } = world;
    const refusals: [string, Record<string, string>, string | undefined][] = [
      ['no token', address(), undefined],
      ['wrong token', address(), 'qov_wrong'],
      ['no permission', address(), ids.uselessToken],
      ["another organization's token", address(), others.token],
      [
        "another organization's things",
        address({ ...address(), environment: others.environment }),
        ids.token,
      ],
      ['a project that is not the environment’s', address({ project: others.project }), ids.token],
      ['a cluster that is not the environment’s', address({ cluster: others.cluster }), ids.token],
      ['no such deployment', address({ version: ids.service }), ids.token],
    ];
    for (const [what, query, token] of refusals) {
      const options = token === undefined ? {} : { token };
      for (const path of ['/deployment/logs', '/deployment/status']) {
        if (path === '/deployment/status' && what === 'no such deployment') continue;
        const { code, reason } = await connect(url, path, query, options).closed;
        expect(code, `${what} at ${path}`).toBe(1008);
        expect(reason.length).toBeGreaterThan(5);
      }
    }
    const wrong = connect(url, '/deployment/logs', address({ environment: 'x' }), {
      token: ids.token,
    });
    expect((await wrong.closed).code).toBe(1007);
    const cursor = connect(url, '/deployment/logs', address({ after: 'x' }), { token: ids.token });
    expect((await cursor.closed).code).toBe(1007);
  });

  test('ends with the token: one that is revoked meanwhile is cut off', async () => {
    const { url } = await world.startGateway({ pingMs: 100 });
    await world.addExecution();
    const client = connect(url, '/deployment/logs', address(), { token: world.ids.token });
    await once(client.socket, 'open');
    await world.db.update(tables.apiTokens).set({ revokedAt: systemClock.now() });
    expect((await client.closed).code).toBe(1008);
  });
});

test('an address without a socket is not found', async () => {
  const { url } = await world.startGateway();
  const client = connect(url, '/shell/exec', address(), { token: world.ids.token });
  const [, response] = await once(client.socket, 'unexpected-response');
  expect((response as { statusCode: number }).statusCode).toBe(404);
});

test('more clients than allowed are told to come back', async () => {
  const { url } = await world.startGateway({ clientsMax: 1 });
  const first = connect(url, '/deployment/logs', address(), { token: world.ids.token });
  await once(first.socket, 'open');
  const second = connect(url, '/deployment/logs', address(), { token: world.ids.token });
  const [, response] = await once(second.socket, 'unexpected-response');
  expect((response as { statusCode: number }).statusCode).toBe(503);
});

test('a client that stops reading is bounded, cut off and told to resume; others do not notice', async () => {
  const metrics = createMetrics('websocket-gateway');
  const queueBytesMax = 64 * 1024;
  const { url } = await world.startGateway({ queueBytesMax, stallMsMax: 300, metrics });
  const execution = await world.addExecution();
  const { token } = world.ids;
  const slow = connect(url, '/deployment/logs', address(), { token });
  const quick = connect(url, '/deployment/logs', address(), { token });
  await Promise.all([once(slow.socket, 'open'), once(quick.socket, 'open')]);
  // Nothing is taken from the TCP socket from here on: its window closes.
  slow.socket.pause();
  const text = 'x'.repeat(15_000);
  const total = 1500;
  let queuedMost = 0;
  const look = async () => {
    queuedMost = Math.max(queuedMost, await metricOf(metrics, 'websocket_queued_bytes'));
  };
  for (let from = 1; from <= total; from += 100) {
    const events = Array.from({ length: 100 }, (_, index) =>
      lineEvent(world.ids, from + index, text),
    );
    await world.commit(execution, events);
    await world.tell(execution, events.slice(0, 1));
    await look();
  }
  await waitUntil(async () => {
    await look();
    return (await metricOf(metrics, 'websocket_slow_clients_total')) === 1;
  });
  // Of two clients, who may each have a frame of at most 100 lines above their limit.
  expect(queuedMost).toBeGreaterThan(queueBytesMax);
  expect(queuedMost).toBeLessThan(2 * (queueBytesMax + 100 * 16 * 1024));
  slow.socket.resume();
  expect(await slow.closed).toEqual({
    code: socketClose.tryAgain,
    reason: 'too slow: connect again with after=<your last cursor>',
  });
  await waitUntil(() => linesOf(quick).length === total, 40_000);
  const had = linesOf(slow).length;
  expect(had).toBeLessThan(total);
  const cursor = linesOf(slow).at(-1)?.cursor;
  const query = address(cursor === undefined ? {} : { after: cursor });
  const resumed = connect(url, '/deployment/logs', query, { token });
  await waitUntil(() => linesOf(resumed).length >= total - had, 40_000);
  const cursors = [...linesOf(slow), ...linesOf(resumed)].map((one) => one.cursor);
  expect(cursors).toEqual(linesOf(quick).map((one) => one.cursor));
  await look();
  expect(await metricOf(metrics, 'websocket_queued_bytes')).toBe(0);
});

test('a client that never reads again is dropped, and nothing waits for it any more', async () => {
  const metrics = createMetrics('websocket-gateway');
  const { url } = await world.startGateway({ queueBytesMax: 64 * 1024, stallMsMax: 300, metrics });
  const execution = await world.addExecution();
  const text = 'x'.repeat(15_000);
  const events = Array.from({ length: 1000 }, (_, index) => lineEvent(world.ids, index + 1, text));
  await world.commit(execution, events);
  const { token } = world.ids;
  const slow = connect(url, '/deployment/logs', address(), { token });
  slow.socket.on('open', () => slow.socket.pause());
  await waitUntil(async () => (await metricOf(metrics, 'websocket_slow_clients_total')) === 1);
  await waitUntil(async () => (await metricOf(metrics, 'websocket_clients')) === 0);
  await waitUntil(async () => (await metricOf(metrics, 'websocket_queued_bytes')) === 0);
});

test('a client whose machine has vanished is dropped by the ping', async () => {
  const { url } = await world.startGateway({ pingMs: 50, clientsMax: 1 });
  const { hostname, port } = new URL(url);
  // Completes the upgrade and never speaks again.
  const stream = connectTcp(Number(port), hostname);
  const { token } = world.ids;
  stream.write(
    `GET /deployment/logs?${new URLSearchParams(address())} HTTP/1.1\r\nHost: x\r\n` +
      'Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n' +
      `Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nAuthorization: Token ${token}\r\n\r\n`,
  );
  stream.resume();
  await once(stream, 'close');
});

test('on the way down every client is told to come back, and nobody new is taken', async () => {
  const gateway = await world.startGateway();
  const client = connect(gateway.url, '/deployment/logs', address(), { token: world.ids.token });
  await once(client.socket, 'open');
  await gateway.close();
  expect((await client.closed).code).toBe(1001);
});
